"""The members of a zip archive of which the directory is gone, by the header before each."""

import struct
import zlib
from collections.abc import Iterator

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import LOCAL_HEADER, LOCAL_SIGNATURE
from clip_prep_cli.sources.archives.members import Member, Progress
from clip_prep_cli.sources.archives.streams import Anywhere
from clip_prep_cli.sources.archives.zip_headers import DEFLATED, SIZES_BEHIND, Fields, of_local

_AT_ONCE = 1 << 16
_BEHIND_SIGNATURE = b"PK\x07\x08"
_CUT_OFF = "the archive is truncated"


def members_from_the_front(archive: Anywhere, progress: Progress) -> Iterator[Member]:
    """The members up to where there is no further header.

    Raises:
        ImageError: a member is not whole.
    """
    at = 0
    while (header := archive.read_at(at, LOCAL_HEADER.size)).startswith(LOCAL_SIGNATURE):
        if len(header) < LOCAL_HEADER.size:
            raise ImageError("truncated", _CUT_OFF)
        length = sum(struct.unpack_from("<2H", header, 26))
        fields = of_local(header, archive.read_at(at + len(header), length), at)
        progress.last, progress.inside = fields.name, True
        begin = at + len(header) + length
        if fields.flags & SIZES_BEHIND:
            fields, at = _measured(archive, fields, begin)
        else:
            at = begin + fields.packed
        if not archive.reaches(at):
            raise ImageError("truncated", _CUT_OFF)
        progress.inside = False
        yield fields.member()


def _measured(archive: Anywhere, fields: Fields, begin: int) -> tuple[Fields, int]:
    """The fields with what stands behind the member's bytes, and where that ends."""
    if fields.method != DEFLATED:
        raise ImageError("corrupt", "only the archive's directory had the length of a member")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    at, size = begin, 0
    while not inflater.eof:
        packed = archive.read_at(at, _AT_ONCE)
        if not packed:
            raise ImageError("truncated", _CUT_OFF)
        at += len(packed)
        try:
            size += len(inflater.decompress(packed))
        except zlib.error as error:
            raise ImageError("corrupt", f"the compressed data is damaged ({error})") from error
    at -= len(inflater.unused_data)
    packed_size = at - begin
    behind = archive.read_at(at, 24)
    mark = 4 if behind.startswith(_BEHIND_SIGNATURE) else 0
    behind = behind[mark:]
    if len(behind) < 12:
        raise ImageError("truncated", _CUT_OFF)
    crc, *sizes = struct.unpack_from("<3I", behind)
    wide = sizes != [packed_size & 0xFFFFFFFF, size & 0xFFFFFFFF]
    return fields._replace(crc=crc, packed=packed_size, size=size), at + mark + (20 if wide else 12)
