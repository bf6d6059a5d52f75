"""The members of zip archives: by the directory at the end, or, if that is damaged, without it.

Not read by `zipfile`: it keeps 600 bytes in memory for each member, refuses a whole archive for one
name in invalid UTF-8, and gives names that depend on Python's version.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import LOCAL_HEADER, LOCAL_SIGNATURE, Zipped
from clip_prep_cli.sources.archives.kinds import ArchiveKind, register
from clip_prep_cli.sources.archives.members import ListingProgress, Member, MemberKind
from clip_prep_cli.sources.archives.streams import RandomAccess

_END = struct.Struct("<4s4H2IH")
_END_SIGNATURE = b"PK\x05\x06"
_END64 = struct.Struct("<4sQ2H2I4Q")
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR_BYTES = 20
_LONGEST_END = _END.size + (1 << 16)

_ENTRY = struct.Struct("<8x2H4x3I3H4x2I")
_ENTRY_SIGNATURE = b"PK\x01\x02"
_LONGEST_ENTRY = _ENTRY.size + 3 * (1 << 16)
_WINDOW = 1 << 20

_BEHIND_SIGNATURE = b"PK\x07\x08"
_PACKED_AT_ONCE = 1 << 16
_CUT_OFF = "the archive is truncated"

_STORED, _DEFLATED = 0, 8
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
_ENCRYPTED, _SIZES_BEHIND, _UTF8 = 0x1, 0x8, 0x800
_FULL, _ZIP64 = 0xFFFFFFFF, 1
_SYMLINK, _FILE_TYPE = 0o120000 << 16, 0o170000 << 16


class _Header(NamedTuple):
    """What a header says of its member: one in the directory, or the member's own."""

    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    """Of the member's own header."""
    name: bytes
    attributes: int = 0

    def text(self) -> str:
        """The name. What packs on Unix often does not say that its names are UTF-8."""
        name = self.name.partition(b"\0")[0]
        try:
            return name.decode()
        except UnicodeDecodeError:
            if self.flags & _UTF8:
                return name.decode(errors="surrogateescape")
            return name.decode("cp437")

    def member(self) -> Member:
        """The member that is described."""
        name = self.text()
        kind: MemberKind = "file"
        if name.endswith("/"):
            kind = "directory"
        elif self.attributes & _FILE_TYPE == _SYMLINK:
            kind = "symlink"
        zipped = Zipped(self.packed, self.method == _DEFLATED, self.crc)
        return Member(name, kind, self.offset, self.size, zipped, self._unsupported())

    def _unsupported(self) -> str:
        if self.flags & _ENCRYPTED:
            return "it is encrypted; unpack the archive with its password"
        if self.method not in (_STORED, _DEFLATED):
            name = _METHODS.get(self.method, "an unknown method")
            return (
                f"it is compressed with {name} (method {self.method}); repack the archive with "
                "Deflate or without compression"
            )
        return ""


class _Directory(NamedTuple):
    """Where the entries are; they count from byte `zero`."""

    begin: int
    end: int
    zero: int
    entries: int


class Zip:
    """A zip archive."""

    def __init__(self, archive: RandomAccess) -> None:
        self._archive = archive
        self.progress = ListingProgress()

    def members(self) -> Iterator[Member]:
        """See `Listing`; without a sound directory, those from the front on, then the damage."""
        directory = self._directory()
        if directory and self._is_sound(directory):
            yield from map(_Header.member, self._entries(directory))
            return
        yield from map(_Header.member, self._headers())
        if not self.progress.last and not directory:
            if not self._archive.size:
                raise ImageError("truncated", "the archive is empty")
            raise ImageError("corrupt", "not a zip archive")
        if directory:
            raise ImageError("corrupt", "the archive's directory is damaged")
        raise ImageError("truncated", "the archive has no directory at its end")

    def _directory(self) -> _Directory | None:
        """Where the directory is by what stands at the end of the archive."""
        before = max(0, self._archive.size - _LONGEST_END)
        tail = self._archive.read_at(before, _LONGEST_END)
        at = tail.rfind(_END_SIGNATURE)
        if at < 0 or len(tail) < at + _END.size:
            return None
        *_, count, size, offset, _ = _END.unpack_from(tail, at)
        end = before + at
        at64 = end - _LOCATOR_BYTES - _END64.size
        end64 = self._archive.read_at(at64, _END64.size) if at64 >= 0 else b""
        if end64.startswith(_END64_SIGNATURE):
            *_, count, size, offset = _END64.unpack(end64)
            end = at64
        return _Directory(end - size, end, end - size - offset, count)

    def _is_sound(self, directory: _Directory) -> bool:
        """Whether its entries are as many as there should be, and lead to members."""
        if directory.begin < 0 or directory.zero < 0:
            return False
        count = 0
        try:
            for entry in self._entries(directory):
                if entry.offset >= directory.begin:
                    return False
                if count == 0 and self._archive.read_at(entry.offset, 4) != LOCAL_SIGNATURE:
                    return False
                count += 1
        except ImageError:
            return False
        return count & 0xFFFF == directory.entries & 0xFFFF

    def _entries(self, directory: _Directory) -> Iterator[_Header]:
        """Each entry.

        Raises:
            ImageError: there is something else in its place.
        """
        window, at = b"", 0
        begin = directory.begin
        while begin + at < directory.end:
            if len(window) - at < _LONGEST_ENTRY and begin + len(window) < directory.end:
                begin, at = begin + at, 0
                window = self._archive.read_at(begin, min(_WINDOW, directory.end - begin))
            if len(window) - at < _ENTRY.size or not window.startswith(_ENTRY_SIGNATURE, at):
                raise ImageError("corrupt", f"its directory has no entry at byte {begin + at}")
            *fields, name_bytes, extra_bytes, comment_bytes, attributes, offset = (
                _ENTRY.unpack_from(window, at)
            )
            flags, method, crc, packed, size = fields
            name_at = at + _ENTRY.size
            extra_at = name_at + name_bytes
            at = extra_at + extra_bytes + comment_bytes
            if len(window) < at:
                raise ImageError("corrupt", "an entry is longer than its directory")
            name = window[name_at:extra_at]
            if _FULL in (size, packed, offset):
                extra = window[extra_at : extra_at + extra_bytes]
                size, packed, offset = _wide(extra, size, packed, offset)
            offset += directory.zero
            yield _Header(flags, method, crc, packed, size, offset, name, attributes)

    def _headers(self) -> Iterator[_Header]:
        """The headers before the members, up to where there is no further one.

        Raises:
            ImageError: a member is not whole.
        """
        at = 0
        while (fixed := self._archive.read_at(at, LOCAL_HEADER.size)).startswith(LOCAL_SIGNATURE):
            if len(fixed) < LOCAL_HEADER.size:
                raise ImageError("truncated", _CUT_OFF)
            _, _, flags, method, _, _, crc, packed, size, name, extra = LOCAL_HEADER.unpack(fixed)
            rest = self._archive.read_at(at + len(fixed), name + extra)
            size, packed = _wide(rest[name:], size, packed)
            header = _Header(flags, method, crc, packed, size, at, rest[:name])
            self.progress.last, self.progress.inside = header.text(), True
            at += len(fixed) + name + extra
            if flags & _SIZES_BEHIND:
                header, at = self._measured(header, at)
            else:
                at += packed
            if not self._archive.reaches(at):
                raise ImageError("truncated", _CUT_OFF)
            self.progress.inside = False
            yield header

    def _measured(self, header: _Header, begin: int) -> tuple[_Header, int]:
        """The header with what stands behind the member's bytes, and where that ends."""
        if header.method != _DEFLATED:
            raise ImageError("corrupt", "only the archive's directory had the length of a member")
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        at, size = begin, 0
        while not inflater.eof:
            packed = self._archive.read_at(at, _PACKED_AT_ONCE)
            if not packed:
                raise ImageError("truncated", _CUT_OFF)
            at += len(packed)
            try:
                size += len(inflater.decompress(packed))
            except zlib.error as error:
                raise ImageError("corrupt", f"the compressed data is damaged ({error})") from error
        at -= len(inflater.unused_data)
        packed_size = at - begin
        behind = self._archive.read_at(at, 24)
        mark = 4 if behind.startswith(_BEHIND_SIGNATURE) else 0
        behind = behind[mark:]
        if len(behind) < 12:
            raise ImageError("truncated", _CUT_OFF)
        crc, *sizes = struct.unpack_from("<3I", behind)
        wide = sizes != [packed_size & _FULL, size & _FULL]
        header = header._replace(crc=crc, packed=packed_size, size=size)
        return header, at + mark + (20 if wide else 12)


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


register(ArchiveKind((".zip",), Zip, "zip", LOCAL_SIGNATURE))
