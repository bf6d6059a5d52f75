"""The members of tar archives: v7, ustar, GNU and pax.

The standard library's reader ends without a word at a damaged header, as if the archive were whole,
and believes a header that claims to be of any length.
"""

from collections.abc import Iterator
from typing import NamedTuple

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import Readable
from clip_prep_cli.sources.archives.kinds import ArchiveKind, register
from clip_prep_cli.sources.archives.members import ListingProgress, Member, MemberKind

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_AT_ONCE = 1 << 20
_MOST_EXTENDED = 1 << 20
"""Bytes of a long name or of a pax header: far more than any has."""

_FILES = (b"0", b"\0", b"7")
_EXTENDED = (b"x", b"X", b"g", b"L", b"K")
_WITHOUT_DATA: dict[bytes, MemberKind] = {
    b"1": "hard link",
    b"2": "symlink",
    b"3": "special file",
    b"4": "special file",
    b"5": "directory",
    b"6": "special file",
}
_CUT_OFF = "the archive is truncated"
_SPARSE = "it is a sparse file; repack it without --sparse"


class _Header(NamedTuple):
    """A block that says what follows it."""

    name: str
    type: bytes
    size: int
    extended: bool
    """Whether a map of a sparse file follows."""


class Tar:
    """A tar archive, read from front to end."""

    def __init__(self, archive: Readable) -> None:
        self._archive = archive
        self._at = 0
        self._own: dict[str, str] = {}
        """What extended headers say of the next member."""
        self._everywhere: dict[str, str] = {}
        self.progress = ListingProgress()

    def members(self) -> Iterator[Member]:
        """See `Listing`."""
        while header := self._next_header():
            if header.type in _EXTENDED:
                self._extend(header)
            else:
                yield from self._member(header)
        self._check_end()

    def _member(self, header: _Header) -> Iterator[Member]:
        said, self._own = {**self._everywhere, **self._own}, {}
        sparse = header.type == b"S" or any(key.startswith("GNU.sparse.") for key in said)
        name = said.get("GNU.sparse.name") or said.get("path") or header.name
        size = _number(said["size"].encode(), 10) if "size" in said else header.size
        kind: MemberKind = _WITHOUT_DATA.get(header.type, "special file")
        if header.type in _FILES:
            kind = "directory" if name.endswith("/") else "file"
        if header.type in _WITHOUT_DATA or kind == "directory":
            yield Member(name, kind, self._at, 0)
            return
        if header.extended:
            self._skip_map()
        if sparse:
            kind = "file"
        self.progress = ListingProgress(name, inside=True)
        end = self._at + size
        if self._archive.size is None or end <= self._archive.size:
            yield Member(name, kind, self._at, size, unsupported=_SPARSE if sparse else "")
        if not self._archive.reaches(end):
            raise ImageError("truncated", _CUT_OFF)
        self.progress.inside = False
        self._at += _padded(size)

    def _next_header(self) -> _Header | None:
        """None: the mark of the end."""
        block = self._archive.read_at(self._at, _BLOCK)
        if len(block) < _BLOCK:
            if self._at:
                raise ImageError("truncated", _CUT_OFF)
            detail = "not a tar archive" if block else "the archive is empty"
            raise ImageError("corrupt" if block else "truncated", detail)
        if block == _ZEROS:
            return None
        if not _checksum_fits(block):
            detail = f"no header at byte {self._at}" if self._at else "not a tar archive"
            raise ImageError("corrupt", detail)
        self._at += _BLOCK
        return _parsed(block)

    def _extend(self, header: _Header) -> None:
        """Take in a header that has more to say of the next member than its own can."""
        if header.size > _MOST_EXTENDED:
            raise ImageError("corrupt", f"a header claims to be {header.size} bytes long")
        data = self._archive.read_at(self._at, header.size)
        if len(data) < header.size:
            raise ImageError("truncated", _CUT_OFF)
        self._at += _padded(header.size)
        if header.type == b"L":
            self._own["path"] = _text(data)
        elif header.type == b"g":
            self._everywhere.update(_records(data))
        elif header.type != b"K":
            self._own.update(_records(data))

    def _skip_map(self) -> None:
        more = True
        while more:
            block = self._archive.read_at(self._at, _BLOCK)
            self._at += _BLOCK
            more = len(block) == _BLOCK and block[504] != 0

    def _check_end(self) -> None:
        """A block of zeros in the middle would hide all that comes after it."""
        at = self._at
        while data := self._archive.read_at(at, _AT_ONCE):
            if data.strip(b"\0"):
                raise ImageError(
                    "corrupt", f"its end marker, at byte {self._at}, is not at its end"
                )
            at += len(data)


def _parsed(block: bytes) -> _Header:
    name, kind, size = _text(block[:100]), block[156:157], _number(block[124:136], 8)
    if block.startswith(b"ustar\0", 257) and (prefix := _text(block[345:500])):
        name = f"{prefix}/{name}"
    return _Header(name, kind, size, kind == b"S" and block[482] != 0)


def _checksum_fits(block: bytes) -> bool:
    try:
        said = _number(block[148:156], 8)
    except ImageError:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    # Some old programs took the bytes for signed ones.
    return said == unsigned or said == unsigned - 256 * sum(byte > 127 for byte in rest)


def _number(field: bytes, base: int) -> int:
    """A number as digits, or, where they do not suffice, as bytes behind one that says so."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:])
    try:
        number = int(field.split(b"\0")[0].strip() or b"0", base)
    except ValueError:
        number = -1
    if number < 0:
        raise ImageError("corrupt", f"{field!r} is not a number")
    return number


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode(errors="surrogateescape")


def _records(data: bytes) -> dict[str, str]:
    """The keywords of a pax header; each record begins with its length."""
    found = {}
    while data and data[0]:
        length, space, _ = data.partition(b" ")
        end = _number(length, 10)
        key, equals, value = data[len(length) + 1 : end - 1].partition(b"=")
        if not space or not equals or end > len(data):
            raise ImageError("corrupt", "a pax header cannot be read")
        found[key.decode(errors="surrogateescape")] = value.decode(errors="surrogateescape")
        data = data[end:]
    return found


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


register(ArchiveKind((".tar",), Tar, "tar", b"ustar", mark_at=257))
