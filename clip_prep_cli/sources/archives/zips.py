"""The members of zip archives: by the directory at the end, or, if that is damaged, without it."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import LOCAL_SIGNATURE
from clip_prep_cli.sources.archives.members import Member, Progress
from clip_prep_cli.sources.archives.streams import Anywhere
from clip_prep_cli.sources.archives.zip_front import members_from_the_front
from clip_prep_cli.sources.archives.zip_headers import ENTRY, ENTRY_SIGNATURE, of_entry

_END = struct.Struct("<4s4H2IH")
_END_SIGNATURE = b"PK\x05\x06"
_END64 = struct.Struct("<4sQ2H2I4Q")
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR_BYTES = 20
_LONGEST_END = _END.size + (1 << 16)
_LONGEST_ENTRY = ENTRY.size + 3 * (1 << 16)
_WINDOW = 1 << 20


class _Directory(NamedTuple):
    """Where the entries are; they count from byte `zero`."""

    begin: int
    end: int
    zero: int
    entries: int


class Zip:
    """A zip archive."""

    def __init__(self, archive: Anywhere) -> None:
        self._archive = archive
        self.progress = Progress()

    def members(self) -> Iterator[Member]:
        """See `Listing`; without a sound directory, those from the front on, then the damage."""
        directory = self._directory()
        if directory and self._is_sound(directory):
            for entry in self._entries(directory):
                yield of_entry(entry, directory.zero)
            return
        yield from members_from_the_front(self._archive, self.progress)
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
                offset = of_entry(entry, directory.zero).offset
                if offset >= directory.begin:
                    return False
                if count == 0 and self._archive.read_at(offset, 4) != LOCAL_SIGNATURE:
                    return False
                count += 1
        except ImageError:
            return False
        return count & 0xFFFF == directory.entries & 0xFFFF

    def _entries(self, directory: _Directory) -> Iterator[bytes]:
        """Each entry, whole.

        Raises:
            ImageError: where there should be one there is none.
        """
        window, at = b"", 0
        begin = directory.begin
        while begin + at < directory.end:
            if len(window) - at < _LONGEST_ENTRY and begin + len(window) < directory.end:
                begin, at = begin + at, 0
                window = self._archive.read_at(begin, min(_WINDOW, directory.end - begin))
            fields = window[at : at + ENTRY.size]
            if len(fields) < ENTRY.size or fields[:4] != ENTRY_SIGNATURE:
                raise ImageError("corrupt", f"its directory has no entry at byte {begin + at}")
            length = ENTRY.size + sum(struct.unpack_from("<3H", fields, 28))
            if len(window) < at + length:
                raise ImageError("corrupt", "an entry is longer than its directory")
            yield window[at : at + length]
            at += length
