"""One archive: the part of a path that leads to it, and what is in it."""

from collections.abc import Iterator
from typing import NamedTuple

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import Part, Readable, Streamed
from clip_prep_cli.samples.roots import joined
from clip_prep_cli.sources.archives.kinds import is_archive, kind_of, misnamed
from clip_prep_cli.sources.archives.members import Member
from clip_prep_cli.sources.archives.streams import ForwardStream, RandomAccess
from clip_prep_cli.sources.files import DEFAULT_WAITING, Waiting, files_of
from clip_prep_cli.storage.retry import unreadable


class Split(NamedTuple):
    """A path below a root, taken apart."""

    archive: str | None
    """The part that is a file; None: all of it is."""
    member: str


def split(root: str, path: str) -> Split | None:
    """Whether `path` below the directory `root` leads into an archive; None: it leads nowhere.

    A directory may be called like an archive. No path of a member is used as a path on disk.
    """
    files = files_of(root)
    names = path.split("/")
    for number, name in enumerate(names, 1):
        if not files.may_have(name):
            return None
        if is_archive(name) and number < len(names):
            archive = "/".join(names[:number])
            if not files.is_directory(joined(root, archive)):
                return Split(archive, "/".join(names[number:]))
    return Split(None, path)


class Archive:
    """The members of one archive; in an order that is the archive's own."""

    def __init__(self, path: str, stamp: int, waiting: Waiting = DEFAULT_WAITING) -> None:
        """`stamp` is the mtime in ns that the archive is known by."""
        self._path = path
        self._stamp = stamp
        self._waiting = waiting

    def __iter__(self) -> Iterator[tuple[Member, Part | Streamed]]:
        """Each member with its bytes; those of a stream until the next is asked for.

        Raises:
            ImageError: after all members that could be found; it says what was not read.
        """
        kind, files = kind_of(self._path), files_of(self._path)
        try:
            file = files.open(self._path, self._waiting)
        except OSError as error:
            raise unreadable(error) from error
        with file:
            readable: Readable = RandomAccess(file)
            if kind.decompressed:
                readable = ForwardStream(kind.decompressed(file))
            in_place = files.in_place and not kind.decompressed
            listing = kind.listing(readable)
            try:
                for member in listing.members():
                    part = Part(self._path, member.offset, member.size, self._stamp, member.zipped)
                    yield member, part if in_place else Streamed(readable, part)
            except ImageError as damage:
                named = "" if listing.progress.last else misnamed(self._path, file)
                detail = f"{damage.detail}{named}; {listing.progress.left()}"
                raise ImageError(damage.reason, detail) from None

    def files(self) -> Iterator[tuple[str, Part | Streamed]]:
        """The members that are files, by their plain names; otherwise as iterating."""
        for member, part in self:
            if member.kind == "file":
                yield member.plain_name, part
