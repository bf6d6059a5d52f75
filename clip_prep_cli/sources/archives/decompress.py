"""Compressed files, piece by piece, up to the first byte that is damaged."""

import sys
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from clip_prep_cli.errors import ImageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PACKED_AT_ONCE = 1 << 15
"""Of which deflate makes at most a thousand times as much."""

_UNPACKED_AT_ONCE = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
_CUT_OFF = "the compressed data is truncated"


def gunzipped(file: BinaryIO) -> Iterator[bytes]:
    """What a gzip file holds; like gzip, it ignores zeros at the end.

    Raises:
        ImageError: it is cut off, or damaged; after all that could be had.
        OSError: it cannot be read.
    """
    inflater = zlib.decompressobj(_GZIP)
    packed = b""
    while packed := packed or file.read(_PACKED_AT_ONCE):
        before = inflater.copy()
        try:
            piece = inflater.decompress(packed)
        except zlib.error as error:
            yield from _salvaged(before, packed)
            raise ImageError("corrupt", f"the compressed data is damaged ({error})") from error
        yield piece
        packed = b""
        if inflater.eof:
            packed = inflater.unused_data.lstrip(b"\0")
            while not packed and (more := file.read(_PACKED_AT_ONCE)):
                packed = more.lstrip(b"\0")
            if not packed:
                return
            inflater = zlib.decompressobj(_GZIP)
    raise ImageError("truncated", _CUT_OFF)


def _salvaged(inflater: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """What comes out before the damage; zlib keeps it back if it is given all at once."""
    for at in range(len(packed)):
        try:
            yield inflater.decompress(packed[at : at + 1])
        except zlib.error:
            return


def unzstd(file: BinaryIO) -> Iterator[bytes]:
    """What a Zstandard file holds.

    Raises:
        ImageError: it is cut off, or damaged; after all that could be had.
        OSError: it cannot be read.
    """
    packed = file.read(_PACKED_AT_ONCE)
    while True:
        unpacker = zstd.ZstdDecompressor()
        while not unpacker.eof:
            if not packed and unpacker.needs_input:
                raise ImageError("truncated", _CUT_OFF)
            try:
                yield unpacker.decompress(packed, _UNPACKED_AT_ONCE)
            except zstd.ZstdError as error:
                raise ImageError("corrupt", f"the compressed data is damaged ({error})") from error
            packed = file.read(_PACKED_AT_ONCE) if unpacker.needs_input else b""
        packed = unpacker.unused_data or packed or file.read(_PACKED_AT_ONCE)
        if not packed:
            return
