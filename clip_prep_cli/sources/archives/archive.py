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


def members_of(
    path: str, stamp: int, waiting: Waiting = DEFAULT_WAITING
) -> Iterator[tuple[Member, Part | Streamed]]:
    """Each member of an archive, in its order, with its bytes; of a stream, until the next.

    `stamp` is the mtime in ns that the archive is known by.

    Raises:
        ImageError: after all members that could be found; it says what was not read.
    """
    kind, files = kind_of(path), files_of(path)
    try:
        file = files.open(path, waiting)
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
                part = Part(path, member.offset, member.size, stamp, member.zipped)
                yield member, part if in_place else Streamed(readable, part)
        except ImageError as damage:
            named = "" if listing.progress.last else misnamed(path, file)
            detail = f"{damage.detail}{named}; {listing.progress.left()}"
            raise ImageError(damage.reason, detail) from None


def files_in(path: str, stamp: int) -> Iterator[tuple[str, Part | Streamed]]:
    """The members that are files, by their plain names; otherwise as `members_of`."""
    for member, part in members_of(path, stamp):
        if member.kind == "file":
            yield member.plain_name, part
