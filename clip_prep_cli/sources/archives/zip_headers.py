"""What the headers of zip archives say of a member: those of the directory and those before it."""

import struct
from typing import NamedTuple

from clip_prep_cli.samples.parts import LOCAL_HEADER, Zipped
from clip_prep_cli.sources.archives.members import Kind, Member

ENTRY = struct.Struct("<4s6H3I5H2I")
ENTRY_SIGNATURE = b"PK\x01\x02"
DEFLATED = 8
SIZES_BEHIND = 0x8
"""The flag of a member of which the sizes were not known when its header was written."""

_STORED = 0
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
_ENCRYPTED, _UTF8 = 0x1, 0x800
_FULL, _ZIP64 = 0xFFFFFFFF, 1
_SYMLINK, _FILE_TYPE = 0o120000, 0o170000


class Fields(NamedTuple):
    """What both kinds of headers have."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    def member(self, kind: Kind = "file") -> Member:
        """The member that is described."""
        if self.name.endswith("/"):
            kind = "directory"
        zipped = Zipped(self.packed, self.method == DEFLATED, self.crc)
        return Member(self.name, kind, self.offset, self.size, zipped, self._unsupported())

    def _unsupported(self) -> str:
        if self.flags & _ENCRYPTED:
            return "it is encrypted; unpack the archive with its password"
        if self.method not in (_STORED, DEFLATED):
            name = _METHODS.get(self.method, "an unknown method")
            return (
                f"it is compressed with {name} (method {self.method}); repack the archive with "
                "Deflate or without compression"
            )
        return ""


def of_entry(entry: bytes, zero: int) -> Member:
    """The member that an entry of the directory leads to; offsets count from byte `zero`."""
    _, _, _, flags, method, _, _, crc, packed, size, *more = ENTRY.unpack_from(entry)
    name_bytes, extra_bytes, _, _, _, attributes, offset = more
    begin = ENTRY.size + name_bytes
    name = _name(entry[ENTRY.size : begin], flags)
    size, packed, offset = _wide(entry[begin : begin + extra_bytes], size, packed, offset)
    fields = Fields(name, flags, method, crc, packed, size, zero + offset)
    is_link = attributes >> 16 & _FILE_TYPE == _SYMLINK
    return fields.member("symlink" if is_link else "file")


def of_local(header: bytes, rest: bytes, offset: int) -> Fields:
    """What a member's own header says, and the name and the extra field that follow it."""
    _, _, flags, method, _, _, crc, packed, size, name_bytes, _ = LOCAL_HEADER.unpack(header)
    name = _name(rest[:name_bytes], flags)
    size, packed = _wide(rest[name_bytes:], size, packed)
    return Fields(name, flags, method, crc, packed, size, offset)


def _name(field: bytes, flags: int) -> str:
    """A name as text. What packs on Unix often does not say that its names are UTF-8."""
    field = field.split(b"\0")[0]
    if flags & _UTF8:
        return field.decode(errors="surrogateescape")
    try:
        return field.decode()
    except UnicodeDecodeError:
        return field.decode("cp437")


def _wide(extra: bytes, *values: int) -> list[int]:
    """The values, those that 32 bits cannot hold from the extra field."""
    wide = b""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _ZIP64:
            wide = extra[4 : 4 + length]
        extra = extra[4 + length :]
    found = []
    for value in values:
        if value == _FULL and len(wide) >= 8:
            value, wide = int.from_bytes(wide[:8], "little"), wide[8:]  # noqa: PLW2901
        found.append(value)
    return found
