"""A directory or a file at a URL, with as much of `Path` as sets need."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from clip_prep_cli.errors import ClipPrepError, StoreError
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE, attempt, cannot_go_on, s3_code
from clip_prep_cli.storage.stores import place_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

_WHOLE_PUTS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
"""Where an object appears whole or not at all, and can be made only if there is none."""

_NEW_UPLOADS = {"s3", "s3a", "gs", "gcs"}
"""Where that goes for files as well."""

_PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 8
_MOST_PARTS = 10_000
_NOT_SUPPORTED = (NotImplementedError, TypeError)


class Listed(NamedTuple):
    """What a store tells of what lies in a directory."""

    name: str
    size: int
    is_folder: bool


@dataclass(frozen=True)
class RemotePath:
    """A directory or a file at a URL, which holds no secret.

    Every method asks again for `patience` seconds if the store fails in a way that may pass.

    Raises:
        FileNotFoundError: it is not there, and was to be read.
        StoreError: the store refuses, or does not answer.
        ClipPrepError: it was to be written, and `guard` forbids that.
        UsageError: there is no such kind of URL.
        CannotContinueError: a package for this kind of URL is missing.
    """

    url: str
    patience: float = DEFAULT_PATIENCE
    guard: Callable[[], object] = field(default=bool, compare=False, repr=False)
    """Called before each attempt to write; what it raises is the end of them."""

    def __reduce__(self) -> tuple[type[Self], tuple[str, float]]:
        return type(self), (self.url, self.patience)  # what guards is of this process

    def __truediv__(self, name: str) -> Self:
        return replace(self, url=f"{self.url}/{name}")

    def __str__(self) -> str:
        return self.url

    @property
    def scheme(self) -> str:
        """What comes before `://`."""
        return self.url.partition("://")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.url).name

    @property
    def suffix(self) -> str:
        """That of the name, with its dot."""
        return PurePosixPath(self.url).suffix

    @property
    def parent(self) -> Self:
        """The directory that it is in."""
        return replace(self, url=self.url.rpartition("/")[0])

    def read_bytes(self) -> bytes:
        """The whole content."""
        return bytes(self._read(lambda fs, path: fs.cat_file(path)))

    def size(self) -> int:
        """Its size in bytes."""
        return int(self._read(lambda fs, path: fs.info(path)["size"]))

    def modified(self) -> datetime | None:
        """When it was written, by the clock of the store; None if the store does not tell."""

        def look(fs: "AbstractFileSystem", path: str) -> datetime | None:
            try:
                when: datetime = fs.modified(path)
            except NotImplementedError:
                return None
            return when

        return self._read(look)

    def exists(self) -> bool:
        """Whether there is such a file."""
        try:
            self.size()
        except FileNotFoundError:
            return False
        return True

    def listing(self) -> list[Listed]:
        """What lies directly in it; nothing if it is not there."""

        def ls(fs: "AbstractFileSystem", path: str) -> list[Listed]:
            return [
                Listed(PurePosixPath(each["name"]).name, each["size"], each["type"] == "directory")
                for each in fs.ls(path, detail=True)
                if each["name"].rstrip("/") != path.rstrip("/")  # the mark of an empty directory
            ]

        try:
            return self._read(ls)
        except FileNotFoundError:
            return []

    def write_bytes(self, content: bytes) -> None:
        """Replace it by `content`, whole or not at all."""
        self._put(lambda fs, path: fs.pipe_file(path, content), len(content))

    def upload(self, file: Path) -> None:
        """Make it of a file of this machine, whole or not at all."""
        size = file.stat().st_size
        options: dict[str, Any] = {}
        if self.scheme in ("s3", "s3a"):  # its defaults take half a gigabyte of memory
            part = max(_PART_BYTES, -(-size // _MOST_PARTS))
            options = {"chunksize": part, "max_concurrency": _PARTS_AT_ONCE}

        def put(fs: "AbstractFileSystem", path: str) -> None:
            if self.scheme not in _NEW_UPLOADS:
                fs.put_file(str(file), path, **options)
                return
            # A process that was suspended in the middle may end its upload at any time: it must not
            # replace what a run has committed that has taken over since.
            try:
                fs.put_file(str(file), path, mode="create", **options)
            except OSError as error:
                if not _says_that_it_exists(error):
                    raise
                self.guard()
                fs.rm_file(path)  # of such a process, or of an attempt without an answer
                fs.put_file(str(file), path, mode="create", **options)

        self._put(put, size)

    def create(self, content: bytes) -> bool:
        """Make it, if nobody else has; where a store cannot do that at once it may be both."""

        def make(fs: "AbstractFileSystem", path: str) -> bool:
            if self.scheme not in _WHOLE_PUTS:
                fs.makedirs(self._path_above(path), exist_ok=True)
            try:
                fs.pipe_file(path, content, mode="create")
            except OSError as error:
                if _says_that_it_exists(error):
                    return False
                if error.errno != errno.ENOSYS:
                    raise
                return self._create_after_looking(fs, path, content)
            except _NOT_SUPPORTED:
                return self._create_after_looking(fs, path, content)
            return True

        return self._write(make)

    def rename(self, to: "RemotePath") -> None:
        """Give it another name in the same store, in place of what has that name."""
        size = self.size()

        def mv(fs: "AbstractFileSystem", path: str) -> None:
            target = place_of(to.url).path
            if self.scheme not in _WHOLE_PUTS:
                fs.mv(path, target)
                return
            try:
                fs.cp_file(path, target)
            except FileNotFoundError:  # an attempt before this one did it, and got no answer
                if fs.info(target)["size"] != size:
                    raise
            else:
                fs.rm_file(path)

        self._write(mv)

    def remove(self) -> None:
        """Remove it, if it is there."""

        def rm(fs: "AbstractFileSystem", path: str) -> None:
            try:
                fs.rm_file(path)
            except FileNotFoundError:
                return

        self._write(rm)

    @staticmethod
    def _create_after_looking(fs: "AbstractFileSystem", path: str, content: bytes) -> bool:
        if fs.exists(path):
            return False
        fs.pipe_file(path, content)
        return True

    def _put(self, put: Callable[["AbstractFileSystem", str], object], size: int) -> None:
        def call(fs: "AbstractFileSystem", path: str) -> None:
            if self.scheme in _WHOLE_PUTS:
                put(fs, path)
            else:
                fs.makedirs(self._path_above(path), exist_ok=True)
                partial = f"{path}.{os.getpid()}.partial"
                put(fs, partial)
                fs.mv(partial, path)
            found = fs.info(path)["size"]
            if found != size:  # as OSError: to be tried again
                raise OSError(errno.EIO, f"only {found:,} of {size:,} bytes arrived")

        self._write(call)

    @staticmethod
    def _path_above(path: str) -> str:
        return path.rpartition("/")[0]

    def _read(self, call: Callable[["AbstractFileSystem", str], T]) -> T:
        try:
            return self._ask(call)
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.url) from error

    def _write(self, call: Callable[["AbstractFileSystem", str], T]) -> T:
        def guarded(fs: "AbstractFileSystem", path: str) -> T:
            self.guard()
            return call(fs, path)

        try:
            return self._ask(guarded)
        except FileNotFoundError as error:
            raise self._problem(error) from error

    def _ask(self, call: Callable[["AbstractFileSystem", str], T]) -> T:
        fs, path = place_of(self.url)
        try:
            return attempt(lambda: call(fs, path), self.patience)
        except (FileNotFoundError, ClipPrepError):
            raise
        except Exception as error:
            raise self._problem(error) from error

    def _problem(self, error: Exception) -> StoreError:
        return StoreError(*cannot_go_on(self.url, error, self.patience).args)


def _says_that_it_exists(error: OSError) -> bool:
    return isinstance(error, FileExistsError) or s3_code(error) in ("PreconditionFailed", "412")
