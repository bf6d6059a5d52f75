"""Input files: whether they are on this machine or in a store is told apart here, once."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from stat import S_ISREG
from typing import BinaryIO, NamedTuple

from clip_prep_cli.errors import ImageError
from clip_prep_cli.pixels.limits import check_size
from clip_prep_cli.storage.fetch import ReadLimits, read_whole
from clip_prep_cli.storage.listing import Stat, look, look_at_file
from clip_prep_cli.storage.remote_file import open_url
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE, unreadable
from clip_prep_cli.storage.urls import checked, is_url, origin

_READER_PATIENCE = 10.0
"""Seconds for a store to answer a reader; the files of a run are fetched ahead instead."""

Buffer = Callable[[int], memoryview]
"""Returns as many writable bytes as it is asked for."""


class Waiting(NamedTuple):
    """How long a store that does not answer is asked again: `patience` seconds, and until when."""

    patience: float = DEFAULT_PATIENCE
    should_stop: Callable[[], bool] = lambda: False


DEFAULT_WAITING = Waiting()


@dataclass(frozen=True)
class Files:
    """What can be done with the files of this machine, by their paths, or of stores, by URLs."""

    in_place: bool
    """Whether workers can read a part of a file by the file's name."""
    absolute: Callable[[str], str]
    """The name that a file has everywhere; UsageError if a URL holds a secret or leads nowhere."""
    top: Callable[[str], str]
    """The directory that holds this file and all others beside it."""
    may_have: Callable[[str], bool]
    """Whether a file or a directory can be called so."""
    is_directory: Callable[[str], bool]
    """Whether there is a directory, as far as that is known."""
    is_missing: Callable[[str], bool]
    """Whether there is certainly nothing; stores are not asked."""
    stat: Callable[[str], Stat]
    """Size and time of a file; OSError, or whatever a store's file system raises."""
    open: Callable[[str, Waiting], BinaryIO]
    """Opens a regular file for reading anywhere in it.

    OSError if it cannot be read, CannotContinueError if its store does not answer, or refuses.
    """
    read: Callable[[str, int, Buffer], tuple[memoryview, int | None]]
    """Reads an image up to a size, into a buffer if it is here; and, if so, its mtime in ns.

    ImageError if it cannot be read or is larger, CannotContinueError as for `open`.
    """


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


def _absolute(name: str) -> str:
    path = os.path.abspath(name)
    return path[1:] if path.startswith("//") else path  # two slashes stay two, by POSIX


def _stat(path: str) -> Stat:
    stat = os.stat(path)
    return Stat(stat.st_size, stat.st_mtime_ns)


def _read(path: str, most: int, buffer: Buffer) -> tuple[memoryview, int]:
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


@lru_cache(256)  # the members of an archive come one after the other; errors are not kept
def _is_prefix(url: str) -> bool:
    """Whether a store has something below `url`, and no file there."""
    return look(url) is None


def _is_known_prefix(url: str) -> bool:
    with suppress(Exception):  # opening it will show
        return _is_prefix(url)
    return False


LOCAL = Files(
    in_place=True,
    absolute=_absolute,
    top=lambda _: os.sep,
    may_have=lambda name: name not in ("", ".", "..") and "\0" not in name,
    is_directory=os.path.isdir,
    is_missing=lambda path: not os.path.exists(path),
    stat=_stat,
    open=lambda path, _: open_file(path),
    read=_read,
)
STORES = Files(
    in_place=False,
    absolute=checked,
    top=origin,
    may_have=lambda _: True,  # names there are not paths
    is_directory=_is_known_prefix,
    is_missing=lambda _: False,
    stat=look_at_file,
    open=lambda url, waiting: open_url(url, *waiting),
    read=lambda url, most, _: (
        memoryview(read_whole(url, ReadLimits(most, _READER_PATIENCE))),
        None,
    ),
)


def files_of(name: str) -> Files:
    """Where the file or directory is that a user, a walk or a set names so."""
    return STORES if is_url(name) else LOCAL
