"""One process at a time on a directory of this machine, for as long as it lives and no longer."""

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clip_prep_cli.errors import CannotContinueError, OutputLostError
from clip_prep_cli.storage.durable import make_directory, storage_error
from clip_prep_cli.storage.holder import busy, this_process
from clip_prep_cli.storage.interface import Check, Lock

_LOOKS = 20
_LOOK_SECONDS = 0.005
_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Whoever may write to the directory may have put anything there: a link, a FIFO."""


class DirectoryLock(Lock):
    """The lock of a directory, whether or not anybody holds it."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name

    def is_held(self) -> bool:
        """Whether some process holds it; looking keeps nobody from taking it."""
        try:
            file = os.open(self._directory / self._name, os.O_RDONLY | _SAFELY)
        except OSError:
            return False
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    @contextmanager
    def hold(self, *, create: bool) -> Iterator[Check]:
        """Hold it; see `Storage.locked`."""
        directory = self._directory
        # Those that do not exist yet, the innermost first.
        made = [each for each in (directory, *directory.parents) if create and not each.exists()]
        try:
            try:
                if create:
                    make_directory(directory)
                held = HeldDirectory(directory, self._name)
            except OSError as error:
                raise storage_error(error, directory) from error
            try:
                yield held.check
            except OSError as error:
                with suppress(OSError):
                    held.check()  # which says more
                raise storage_error(error, directory) from error
            finally:
                held.release()
        except OutputLostError:
            made.clear()  # what has these names now is not ours
            raise
        finally:
            for each in made:
                with suppress(OSError):  # what a run made for nothing goes; else it is not empty
                    each.rmdir()


class HeldDirectory:
    """A directory that this process holds by an advisory lock, which the kernel ends with it.

    The directory is held as what it is, not by its name, which may come to mean another one.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Take the lock, by the file `name`.

        Raises:
            BusyError: another process has it.
            CannotContinueError: what has the name of the lock file is not a regular file.
            OSError: the lock file cannot be made.
        """
        self._path = directory
        self._name = name
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._file = self._take()
        except BaseException:
            os.close(self._directory)
            raise
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps(this_process()).encode(), 0)
        except OSError:
            self.release()
            raise

    def check(self) -> None:
        """Look whether the directory still has its name, and the lock file is still ours.

        Raises:
            OutputLostError: one of them is not so.
            OSError: it cannot be looked at.
        """
        try:
            is_same = os.path.samestat(os.fstat(self._directory), os.stat(self._path))
        except (FileNotFoundError, NotADirectoryError):
            is_same = False
        if not is_same:
            raise OutputLostError(
                f"{self._path} is not the directory that this run began to write to: that one was "
                "moved, removed or replaced.",
                "What was committed stays in that directory. To continue it, run the same command "
                "with the directory's new path.",
            )
        if not self._is_still(self._file):
            raise OutputLostError(
                f"{self._path / self._name}, the lock of this run, was removed or replaced, so "
                "another run may be writing there.",
                "What was committed is kept: make sure that no run is active, then run the same "
                "command again.",
            )

    def release(self) -> None:
        """Let the next process in."""
        with suppress(OSError):  # a disk that has become read-only: a stale file is no obstacle
            if self._is_still(self._file):
                os.unlink(self._name, dir_fd=self._directory)
        os.close(self._file)
        os.close(self._directory)

    def _take(self) -> int:
        looks = _LOOKS
        while True:
            file = self._open()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(file, 1000, 0)
                os.close(file)
                looks -= 1
                if looks:  # `is_held` has it for a moment
                    time.sleep(_LOOK_SECONDS)
                    continue
                raise busy(str(self._path), holder) from None
            # The last holder may have removed the file between our open() and flock().
            if self._is_still(file):
                return file
            os.close(file)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | _SAFELY
        try:
            file = os.open(self._name, flags, 0o666, dir_fd=self._directory)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._not_a_lock() from error
            error.filename = str(self._path / self._name)
            raise
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise self._not_a_lock()
        return file

    def _not_a_lock(self) -> CannotContinueError:
        return CannotContinueError(
            f"{self._path / self._name} is a link or a special file, not the lock of a run.",
            "Remove it, then run the same command again.",
        )

    def _is_still(self, file: int) -> bool:
        try:
            found = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(file), found)
