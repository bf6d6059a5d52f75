"""Archives: which names are of one, which part of a path leads to one, and what is in it."""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from stat import S_ISREG
from typing import BinaryIO, NamedTuple

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import Part, Readable, Streamed
from clip_prep_cli.sources.archives.members import Listing, Member
from clip_prep_cli.sources.archives.streams import Anywhere, Stream
from clip_prep_cli.sources.archives.tars import Tar
from clip_prep_cli.sources.archives.zips import Zip
from clip_prep_cli.storage.listing import look
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE
from clip_prep_cli.storage.urls import is_url

_COMPRESSED = (".tar.gz", ".tgz", ".tar.zst")
_SUFFIXES = (".tar", ".zip", *_COMPRESSED)
_NEVER_ON_DISK = ("", ".", "..")


class Access(NamedTuple):
    """How archives are opened, by the name that a walk has for them."""

    open: Callable[[str], BinaryIO]
    in_place: bool
    """Whether workers can read the same file by that name."""


def is_archive(name: str) -> bool:
    """Whether a file is an archive, by its name."""
    return name.lower().endswith(_SUFFIXES)


class Split(NamedTuple):
    """A path below a root, taken apart."""

    archive: str | None
    """The part that is a file; None: all of it is."""
    member: str


def split(root: str, path: str) -> Split | None:
    """Whether `path` below the directory `root` leads into an archive; None: it leads nowhere.

    A directory may be called like an archive. No path of a member is used as a path on disk; the
    names of a store are no paths, and may be anything.
    """
    on_disk = not is_url(root)
    names = path.split("/")
    for number, name in enumerate(names):
        if on_disk and (name in _NEVER_ON_DISK or "\0" in name):
            return None
        if is_archive(name) and number + 1 < len(names):
            archive = "/".join(names[: number + 1])
            if not _is_directory(os.path.join(root, archive)):
                return Split(archive, "/".join(names[number + 1 :]))
    return Split(None, path)


def _is_directory(path: str) -> bool:
    if not is_url(path):
        return os.path.isdir(path)
    try:
        return _is_prefix(path)
    except Exception:  # noqa: BLE001 - whoever opens it will find out
        return False


@lru_cache(256)  # the members of an archive come one after the other; errors are not kept
def _is_prefix(url: str) -> bool:
    """Whether a store has something below `url`, and no file there."""
    return look(url) is None


_BEGINNINGS = {
    b"\x1f\x8b": ("gzip", (".tar.gz", ".tgz")),
    b"\x28\xb5\x2f\xfd": ("Zstandard", (".tar.zst",)),
    b"PK\x03\x04": ("zip", (".zip",)),
    b"BZh": ("bzip2", ()),
    b"\xfd7zXZ": ("xz", ()),
    b"<": ("HTML or XML", ()),
}
"""What a file may be that is not what its name says, and the names for that."""


def misnamed(name: str, file: BinaryIO) -> str:
    """That the content of an archive is not what its name says, if it can be told what it is."""
    try:
        file.seek(0)
        begin = file.read(512)
    except OSError:
        return ""
    for mark, (kind, suffixes) in _BEGINNINGS.items():
        if begin.lstrip().startswith(mark) and not name.lower().endswith(suffixes):
            meant = f"; its name should end in {suffixes[0]}" if suffixes else ""
            return f" (its content is {kind}{meant})"
    if name.lower().endswith(_COMPRESSED) and begin[257:262] == b"ustar":
        return " (its content is tar; its name should end in .tar)"
    return ""


def plain_name(name: str) -> str:
    """The name of a member as it is part of a sample's path."""
    while name.startswith("./"):
        name = name[2:]
    return name


def open_file(path: str) -> BinaryIO:
    """Open a regular file, without waiting for a FIFO that took its place.

    Raises:
        OSError: it is not there, or cannot be read, or is not regular.
    """
    file = open(path, "rb", buffering=0, opener=_without_waiting)  # noqa: SIM115 - the caller's
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("is not a regular file")
    return file


def access_to(
    path: str, patience: float = DEFAULT_PATIENCE, should_stop: Callable[[], bool] = lambda: False
) -> Access:
    """How the archive at a path or URL is opened; `patience` is for stores, in seconds."""
    if not is_url(path):
        return Access(open_file, in_place=True)
    from clip_prep_cli.storage.remote_file import open_url

    return Access(partial(open_url, patience=patience, should_stop=should_stop), in_place=False)


class Archive:
    """The members of one archive; in an order that is the archive's own."""

    def __init__(self, path: str, stamp: int, access: Access | None = None) -> None:
        """`stamp` is the mtime in ns that the archive is known by."""
        self._path = path
        self._stamp = stamp
        self._access = access or access_to(path)

    def __iter__(self) -> Iterator[tuple[Member, Part | Streamed]]:
        """Each member with its bytes; those of a stream until the next is asked for.

        Raises:
            ImageError: after all members that could be found; it says what was not read.
        """
        try:
            file = self._access.open(self._path)
        except OSError as error:
            raise ImageError("unreadable", f"cannot be read: {error.strerror or error}") from error
        with file:
            readable, in_place = self._readable(file)
            listing = self._listing(readable)
            try:
                for member in listing.members():
                    part = Part(self._path, member.offset, member.size, self._stamp, member.zipped)
                    yield member, part if in_place else Streamed(readable, part)
            except ImageError as damage:
                named = "" if listing.progress.last else misnamed(self._path, file)
                detail = f"{damage.detail}{named}; {listing.progress.left()}"
                raise ImageError(damage.reason, detail) from None

    def _readable(self, file: BinaryIO) -> tuple[Readable, bool]:
        """What to read it from, and whether that is the file's own bytes for the workers too."""
        name = self._path.lower()
        if name.endswith(_COMPRESSED):
            from clip_prep_cli.sources.archives.decompress import gunzipped, unzstd

            return Stream((unzstd if name.endswith(".zst") else gunzipped)(file)), False
        return Anywhere(file), self._access.in_place

    def _listing(self, readable: Readable) -> Listing:
        return Zip(readable) if isinstance(readable, Anywhere) and self._is_zip else Tar(readable)

    @property
    def _is_zip(self) -> bool:
        return self._path.lower().endswith(".zip")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
