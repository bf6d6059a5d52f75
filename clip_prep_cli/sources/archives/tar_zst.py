"""Tar archives that are compressed by Zstandard."""

import sys
from collections.abc import Iterator
from typing import BinaryIO

from clip_prep_cli.errors import ImageError
from clip_prep_cli.sources.archives.kinds import ArchiveKind, register
from clip_prep_cli.sources.archives.tars import Tar

_PACKED_AT_ONCE = 1 << 15
_UNPACKED_AT_ONCE = 1 << 20


def unzstd(file: BinaryIO) -> Iterator[bytes]:
    """What a Zstandard file holds.

    Raises:
        ImageError: it is cut off, or damaged; after all that could be had.
        OSError: it cannot be read.
    """
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    packed = file.read(_PACKED_AT_ONCE)
    while True:
        unpacker = zstd.ZstdDecompressor()
        while not unpacker.eof:
            if not packed and unpacker.needs_input:
                raise ImageError("truncated", "the compressed data is truncated")
            try:
                yield unpacker.decompress(packed, _UNPACKED_AT_ONCE)
            except zstd.ZstdError as error:
                raise ImageError("corrupt", f"the compressed data is damaged ({error})") from error
            packed = file.read(_PACKED_AT_ONCE) if unpacker.needs_input else b""
        packed = unpacker.unused_data or packed or file.read(_PACKED_AT_ONCE)
        if not packed:
            return


register(ArchiveKind((".tar.zst",), Tar, "Zstandard", b"\x28\xb5\x2f\xfd", decompressed=unzstd))
