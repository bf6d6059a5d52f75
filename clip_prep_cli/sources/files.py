"""Input files: whether they are on this machine or in a store is told apart here, once."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from io import FileIO
from stat import S_ISREG
from typing import BinaryIO, NamedTuple, Protocol

from clip_prep_cli.errors import ImageError
from clip_prep_cli.pixels.limits import check_size
from clip_prep_cli.storage.fetch import ReadLimits, read_whole
from clip_prep_cli.storage.listing import Stat, look, look_at_file
from clip_prep_cli.storage.remote_file import open_url
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE, unreadable
from clip_prep_cli.storage.urls import checked, is_url, origin

_READER_PATIENCE = 10.0
"""Seconds for a store to answer somebody who waits; the files of a run are fetched elsewhere."""


class Waiting(NamedTuple):
    """How long a store that does not answer is asked again: `patience` seconds, and until when."""

    patience: float = DEFAULT_PATIENCE
    should_stop: Callable[[], bool] = lambda: False


DEFAULT_WAITING = Waiting()


class Files(Protocol):
    """The files of this machine, by their paths, or those of stores, by their URLs."""

    @property
    def in_place(self) -> bool:
        """Whether workers can read a part of a file by its name."""

    def absolute(self, name: str) -> str:
        """The name that a file has everywhere.

        Raises:
            UsageError: a URL holds a secret, or leads nowhere.
        """

    def top(self, path: str) -> str:
        """The directory that holds all others."""

    def may_have(self, name: str) -> bool:
        """Whether a file or a directory can be called so."""

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory, as far as that is known."""

    def is_missing(self, path: str) -> bool:
        """Whether there is certainly nothing; stores are not asked."""

    def stat(self, path: str) -> Stat:
        """The size and the time of a file.

        Raises:
            Exception: they are not known; an OSError, or whatever a store's file system raises.
        """

    def open(self, path: str, waiting: Waiting = DEFAULT_WAITING) -> BinaryIO:
        """Open a file for reading anywhere in it.

        Raises:
            OSError: it is not there, or cannot be read, or is not regular.
            CannotContinueError: the store does not answer, or refuses.
        """

    def read(
        self, path: str, most: int, buffer: Callable[[int], memoryview]
    ) -> tuple[memoryview, int | None]:
        """The bytes of an image, in a `buffer` of their size or their own; here, its mtime in ns.

        Raises:
            ImageError: it cannot be read, or has more than `most` bytes.
            CannotContinueError: the store does not answer, or refuses.
        """


class _LocalFiles:
    in_place = True

    def absolute(self, name: str) -> str:
        path = os.path.abspath(name)
        return path[1:] if path.startswith("//") else path  # two slashes stay two, by POSIX

    def top(self, path: str) -> str:  # noqa: ARG002 - as in `Files`
        return os.sep

    def may_have(self, name: str) -> bool:
        return name not in ("", ".", "..") and "\0" not in name

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def is_missing(self, path: str) -> bool:
        return not os.path.exists(path)

    def stat(self, path: str) -> Stat:
        stat = os.stat(path)
        return Stat(stat.st_size, stat.st_mtime_ns)

    def open(self, path: str, waiting: Waiting = DEFAULT_WAITING) -> BinaryIO:  # noqa: ARG002
        return open_file(path)

    def read(
        self, path: str, most: int, buffer: Callable[[int], memoryview]
    ) -> tuple[memoryview, int | None]:
        with open_image(path) as file:
            stat = os.fstat(file.fileno())
            check_size(stat.st_size, most)
            data, done = buffer(stat.st_size), 0
            try:
                while done < stat.st_size and (count := file.readinto(data[done:])):
                    done += count
            except OSError as error:
                raise unreadable(error) from None
            return data[:done], stat.st_mtime_ns


class _StoreFiles:
    in_place = False

    def absolute(self, name: str) -> str:
        return checked(name)

    def top(self, path: str) -> str:
        return origin(path)

    def may_have(self, name: str) -> bool:  # noqa: ARG002 - names there are no paths
        return True

    def is_directory(self, path: str) -> bool:
        with suppress(Exception):  # whoever opens it will find out
            return _is_prefix(path)
        return False

    def is_missing(self, path: str) -> bool:  # noqa: ARG002 - as in `Files`
        return False

    def stat(self, path: str) -> Stat:
        return look_at_file(path)

    def open(self, path: str, waiting: Waiting = DEFAULT_WAITING) -> BinaryIO:
        return open_url(path, waiting.patience, waiting.should_stop)

    def read(
        self,
        path: str,
        most: int,
        buffer: Callable[[int], memoryview],  # noqa: ARG002 - as in `Files`
    ) -> tuple[memoryview, int | None]:
        return memoryview(read_whole(path, ReadLimits(most, _READER_PATIENCE))), None


LOCAL: Files = _LocalFiles()
STORES: Files = _StoreFiles()


def files_of(name: str) -> Files:
    """Where the file or directory is that a user, a walk or a set names so."""
    return STORES if is_url(name) else LOCAL


def open_file(path: str) -> FileIO:
    """Open a regular file of this machine, without waiting for a FIFO that took its place.

    Raises:
        OSError: it is not there, or cannot be read, or is not regular.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError("is not a regular file")
    return open(file, "rb", buffering=0)


def open_image(path: str) -> FileIO:
    """Open a regular file of this machine that is or holds an image.

    Raises:
        ImageError: it cannot be opened.
    """
    try:
        return open_file(path)
    except OSError as error:
        detail = f"cannot be opened: {error.strerror}" if error.strerror else str(error)
        raise ImageError("unreadable", detail) from None


@lru_cache(256)  # the members of an archive come one after the other; errors are not kept
def _is_prefix(url: str) -> bool:
    """Whether a store has something below `url`, and no file there."""
    return look(url) is None
