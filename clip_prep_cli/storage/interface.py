"""What every place in which files are stored can do, whatever it is."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

Check = Callable[[], object]
"""Called before each attempt to write; what it raises is the end of them."""


class Entry(NamedTuple):
    """Something directly in a directory; `size` is in bytes."""

    name: str
    size: int
    is_folder: bool


class Lock(ABC):
    """The lock file of a directory that one process at a time writes to."""

    @abstractmethod
    def is_held(self) -> bool:
        """Whether some process holds it now."""

    @abstractmethod
    def hold(self, *, create: bool) -> AbstractContextManager[Check]:
        """Hold it; gives what raises as soon as it is lost. See `Storage.locked`."""


class Storage(ABC):
    """A directory of files, on this machine or in an object store.

    Files have names below the directory, with slashes ("336px/shard-000000.npy").

    **Threads and processes:** a storage keeps no connection and no open file. It can be pickled
    (what `locked` gives is for this process alone), and used from any thread, by several at once.
    Calls about different files do not disturb each other; calls about the same file happen in any
    order. `locked` keeps other processes away.

    **Atomic:** `replace`, `rename`, and each file of `adopt` and `remove`. A reader sees the old
    file or the new one, after a crash too.

    **Durable:** all of these, once they return. `create` is not. A crash leaves each file old or
    new; of several files the first ones, in the order given, except that a storage which is far
    away handles several at once. It may also leave a file named by `partial_name`, which counts
    for nothing.

    **Retrying:** every operation but `create` can be called again after an error. A `create` that
    is called again may find what it has made itself. `Retrying` calls again; nothing else does.

    **Errors:** FileNotFoundError, with the path or URL, if a file that is to be read is not there.
    Otherwise a local directory raises OSError, and what `storage_at` returns for a URL raises
    StoreError, UsageError if no package reads URLs of its kind, or CannotContinueError if that
    package is not installed. What `locked` returns also raises BusyError or OutputLostError from
    writes, once another process may be writing there; nothing is written then.
    """

    @abstractmethod
    def at(self, name: str) -> str:
        """Where a file is, for people: a path or a URL."""

    @abstractmethod
    def __str__(self) -> str:
        """Where the directory is: the path as the user named it, or the URL."""

    @property
    def name(self) -> str:
        """The last part of the directory's path or URL; of a root, all of it."""
        return PurePosixPath(str(self)).name or str(self)

    @property
    @abstractmethod
    def here(self) -> Path | None:
        """The directory, for what needs a local one (mmap, workers); None if it is elsewhere."""

    @property
    @abstractmethod
    def is_writable(self) -> bool:
        """Whether places of its kind can be written to at all."""

    @property
    def reads_at_once(self) -> int:
        """From how many threads to read: most of the time goes into round trips to a store."""
        return 1

    @property
    def patience(self) -> float:
        """For how many seconds something that fails is tried."""
        return 0.0

    def with_patience(self, seconds: float) -> "Storage":
        """The same place, with other patience, if it ever waits."""
        del seconds
        return self

    def absolute(self) -> "Storage":
        """The same place, by a name that means the same in any process."""
        return self

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The whole content of a file."""

    @abstractmethod
    def open(self, name: str, patience: float = 0.0) -> io.BufferedReader:
        """A file, opened for reading anywhere in it; its reads are tried for `patience` seconds."""

    @abstractmethod
    def size(self, name: str) -> int:
        """The size of a file in bytes."""

    @abstractmethod
    def modified(self, name: str) -> datetime | None:
        """When a file was written, by the clock of the store; None if it does not say."""

    @abstractmethod
    def entries(self, folder: str = "") -> list[Entry]:
        """What is directly in a folder, in any order; nothing if there is no such folder."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        with suppress(FileNotFoundError):
            return self.size(name) >= 0
        return False

    def check(self) -> None:  # noqa: B027 - most have no guard
        """Raise what a write would raise that is refused by a guard."""

    @abstractmethod
    def replace(self, name: str, content: bytes) -> None:
        """Write a file in a folder that exists, in place of what has its name."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one; whether it was written.

        Where a store cannot do that at once, two processes may both believe that they did.
        """

    @abstractmethod
    def rename(self, name: str, to: str) -> None:
        """Give a file another name, in place of what has that name."""

    @abstractmethod
    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that is not there is no error."""

    @abstractmethod
    def adopt(self, files: Mapping[str, Path]) -> None:
        """Bring finished files of this machine in, under these names.

        A local directory takes the files themselves, which must be durable and on its file system.
        A store takes copies; some refuse a name that is taken, with FileExistsError.
        """

    @abstractmethod
    def renew_folders(self, old: Iterable[str], new: Iterable[str]) -> None:
        """Remove the folders `old` that are empty, and make the folders `new`, if there are any."""

    @abstractmethod
    def lock(self, name: str, through: "Storage") -> Lock:
        """The lock of the directory, in the file `name`, reached `through` its wrappers."""

    @abstractmethod
    def guarded(self, check: Check) -> "Storage":
        """The same place; `check` is called before each attempt to write to it."""

    def is_held(self, name: str) -> bool:
        """Whether some process holds the directory by the lock file `name`."""
        return self.lock(name, self).is_held()

    @contextmanager
    def locked(self, name: str, *, create: bool = False) -> Iterator["Storage"]:
        """Hold the directory by the lock file `name`; `create` makes it if need be.

        While it is held, an OSError is reported as one of this directory. A local directory is held
        until the process ends or lets go; one at a URL also needs its lock renewed, which a thread
        does.

        Yields the storage to write to. It writes only while the lock is held and, for a local
        directory, while its name still means the directory that was locked.

        Raises:
            BusyError: another process has it.
            CannotContinueError: it cannot be written to, now or later.
        """
        with self.lock(name, self).hold(create=create) as check:
            yield self.guarded(check)
