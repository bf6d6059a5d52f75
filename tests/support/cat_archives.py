"""A kind of archive that exists in this file alone: images, each behind its name and its size."""

import struct
from collections.abc import Iterator
from pathlib import Path

from clip_prep_cli.errors import ImageError
from clip_prep_cli.sources.archives.kinds import ArchiveKind
from clip_prep_cli.sources.archives.members import ListingProgress, Member
from clip_prep_cli.sources.archives.streams import RandomAccess
from tests.support.packing import Members

_MARK = b"CAT1"
_HEADER = struct.Struct("<4s16sI")


class Cat:
    """Lists the members."""

    def __init__(self, archive: RandomAccess) -> None:
        self._archive = archive
        self.progress = ListingProgress()

    def members(self) -> Iterator[Member]:
        """See `Listing`."""
        at = 0
        while header := self._archive.read_at(at, _HEADER.size):
            if not header.startswith(_MARK):
                raise ImageError("corrupt", "is not a cat archive")
            _, name, size = _HEADER.unpack(header)
            at += _HEADER.size
            self.progress.last = name.rstrip(b"\0").decode()
            yield Member(self.progress.last, "file", at, size)
            at += size


CAT = ArchiveKind((".cat",), Cat, "cat", _MARK)


def pack_cat(path: Path, members: Members) -> Path:
    """Write an archive of this kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    headers = (
        (_HEADER.pack(_MARK, name.encode(), len(data)), data) for name, data in members.items()
    )
    path.write_bytes(b"".join(part for pair in headers for part in pair))
    return path
