"""What can be put around any storage: patience, a guard, threads, a dry run."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from clip_prep_cli.common.threads import in_order
from clip_prep_cli.errors import ClipPrepError, StoreError
from clip_prep_cli.storage.interface import Check, Entry, Lock, Storage
from clip_prep_cli.storage.retry import attempt, cannot_go_on, not_there

T = TypeVar("T")


@dataclass(frozen=True)
class Wrapper(Storage):
    """All of what is inside, with two hooks: around every read, and around every write."""

    inner: Storage

    def _read(self, _name: str, call: Callable[[], T]) -> T:
        return call()

    def _write(self, _name: str, call: Callable[[], T]) -> T | None:
        return call()

    def at(self, name: str) -> str:
        return self.inner.at(name)

    def __str__(self) -> str:
        return str(self.inner)

    @property
    def here(self) -> Path | None:
        return self.inner.here

    @property
    def is_writable(self) -> bool:
        return self.inner.is_writable

    @property
    def reads_at_once(self) -> int:
        return self.inner.reads_at_once

    @property
    def patience(self) -> float:
        return self.inner.patience

    def with_patience(self, seconds: float) -> Self:
        return replace(self, inner=self.inner.with_patience(seconds))

    def absolute(self) -> Self:
        return replace(self, inner=self.inner.absolute())

    def read(self, name: str) -> bytes:
        return self._read(name, lambda: self.inner.read(name))

    def open(self, name: str, patience: float = 0.0) -> io.BufferedReader:
        return self._read(name, lambda: self.inner.open(name, patience))

    def size(self, name: str) -> int:
        return self._read(name, lambda: self.inner.size(name))

    def modified(self, name: str) -> datetime | None:
        return self._read(name, lambda: self.inner.modified(name))

    def entries(self, folder: str = "") -> list[Entry]:
        return self._read(folder, lambda: self.inner.entries(folder))

    def check(self) -> None:
        self.inner.check()

    def replace(self, name: str, content: bytes) -> None:
        self._write(name, lambda: self.inner.replace(name, content))

    def create(self, name: str, content: bytes) -> bool:
        return self._write(name, lambda: self.inner.create(name, content)) is True

    def rename(self, name: str, to: str) -> None:
        self._write(name, lambda: self.inner.rename(name, to))

    def remove(self, names: Iterable[str]) -> None:
        self._write("", lambda: self.inner.remove(names))

    def adopt(self, files: Mapping[str, Path]) -> None:
        self._write("", lambda: self.inner.adopt(files))

    def renew_folders(self, old: Iterable[str], new: Iterable[str]) -> None:
        self._write("", lambda: self.inner.renew_folders(old, new))

    def lock(self, name: str, through: Storage) -> Lock:
        return self.inner.lock(name, through)

    def guarded(self, check: Check) -> Self:
        """Guard what is innermost, so that each attempt of a wrapper is checked."""
        return replace(self, inner=self.inner.guarded(check))


@dataclass(frozen=True)
class Guarded(Wrapper):
    """Asks `guard` before each write; what it raises is raised, and nothing is written."""

    guard: Check

    def check(self) -> None:
        self.guard()
        self.inner.check()

    def _write(self, _name: str, call: Callable[[], T]) -> T:
        self.guard()
        return call()


@dataclass(frozen=True)
class Pretending(Wrapper):
    """What a dry run writes to: nothing changes, and nothing is created."""

    def _write(self, name: str, call: Callable[[], T]) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Limited(Wrapper):
    """A storage that is far away: what concerns several files goes `most` files at a time."""

    most: int

    @property
    def reads_at_once(self) -> int:
        return self.most

    def remove(self, names: Iterable[str]) -> None:
        for _ in in_order(lambda name: self.inner.remove([name]), names, self.most):
            pass

    def adopt(self, files: Mapping[str, Path]) -> None:
        for _ in in_order(lambda file: self.inner.adopt(dict([file])), files.items(), self.most):
            pass


@dataclass(frozen=True)
class Retrying(Wrapper):
    """Tries each operation for `seconds`, if it fails in a way that may pass.

    Its errors are StoreError, and FileNotFoundError for what was to be read.
    """

    seconds: float

    @property
    def patience(self) -> float:
        return self.seconds

    def with_patience(self, seconds: float) -> Self:
        return replace(self, seconds=seconds)

    def open(self, name: str, patience: float = 0.0) -> io.BufferedReader:
        """Open it once; what it reads is tried as long as anything."""
        del patience  # of a wrapper around this one, which would multiply
        return self.inner.open(name, self.seconds)

    def rename(self, name: str, to: str) -> None:
        """Rename it; FileNotFoundError if it is not there at first."""
        self._write(name, partial(self._rename, name, to, self.size(name)))

    def _rename(self, name: str, to: str, size: int) -> None:
        try:
            self.inner.rename(name, to)
        except FileNotFoundError:  # an attempt before this one did it, and got no answer
            if self.inner.size(to) != size:
                raise

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._write(name, partial(self.inner.remove, [name]))

    def adopt(self, files: Mapping[str, Path]) -> None:
        """Adopt them; what is in the way goes."""
        for name, file in files.items():
            self._write(name, partial(self._adopt, name, file))

    def _adopt(self, name: str, file: Path) -> None:
        try:
            self.inner.adopt({name: file})
        except FileExistsError:
            # Of a process that was given up for dead, or of an attempt without an answer.
            self.inner.remove([name])
            self.inner.adopt({name: file})

    def _read(self, name: str, call: Callable[[], T]) -> T:
        try:
            return attempt(call, self.seconds)
        except FileNotFoundError as error:
            raise not_there(self.at(name)) from error
        except ClipPrepError:
            raise
        except Exception as error:
            raise self._problem(name, error) from error

    def _write(self, name: str, call: Callable[[], T]) -> T:
        try:
            return attempt(call, self.seconds)
        except ClipPrepError:
            raise
        except Exception as error:
            raise self._problem(name, error) from error

    def _problem(self, name: str, error: Exception) -> StoreError:
        return StoreError(*cannot_go_on(self.at(name), error, self.seconds).args)
