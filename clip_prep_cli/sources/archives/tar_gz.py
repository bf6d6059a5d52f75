"""Tar archives that are compressed by gzip: unpacked up to the first byte that is damaged."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from clip_prep_cli.errors import ImageError
from clip_prep_cli.sources.archives.kinds import ArchiveKind, register
from clip_prep_cli.sources.archives.tars import Tar

_PACKED_AT_ONCE = 1 << 15
"""Deflate expands this at most a thousand times."""

_GZIP = 16 + zlib.MAX_WBITS


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
    raise ImageError("truncated", "the compressed data is truncated")


def _salvaged(inflater: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """What comes out before the damage; zlib keeps it back if it is given all at once."""
    for at in range(len(packed)):
        try:
            yield inflater.decompress(packed[at : at + 1])
        except zlib.error:
            return


register(ArchiveKind((".tar.gz", ".tgz"), Tar, "gzip", b"\x1f\x8b", decompressed=gunzipped))
