"""One run at a time on an output directory, for as long as the process lives and no longer."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from clip_prep_cli.storage.durable import make_directory, storage_error
from clip_prep_cli.storage.holder import LOCK_NAME, busy, this_process
from clip_prep_cli.storage.lease import Lease, is_leased
from clip_prep_cli.storage.location import Location
from clip_prep_cli.storage.remote_path import RemotePath

_LOOKS = 20
_LOOK_SECONDS = 0.005


@contextmanager
def locked(directory: Location, *, create: bool = False) -> Iterator[Location]:
    """Hold an output directory, which is made if need be; while it is held, errors are its own.

    Gives the directory to write to: one at a URL raises BusyError once the lock is lost.

    Raises:
        BusyError: another process has it.
        CannotContinueError: it cannot be written to, now or later.
    """
    if isinstance(directory, Path):
        with _locked_here(directory, create=create):
            yield directory
        return
    lease = Lease(directory)
    try:
        yield replace(directory, guard=lease.check)
    finally:
        lease.release()


@contextmanager
def _locked_here(directory: Path, *, create: bool) -> Iterator[None]:
    made = _missing(directory) if create else []
    try:
        try:
            if create:
                make_directory(directory)
            lock = Lock(directory)
        except OSError as error:
            raise storage_error(error, directory) from error
        try:
            yield
        except OSError as error:
            raise storage_error(error, directory) from error
        finally:
            lock.release()
    finally:
        for each in made:
            with suppress(OSError):  # what a run made for nothing goes; else it is not empty
                each.rmdir()


def _missing(directory: Path) -> list[Path]:
    """The directory and those above it that do not exist, the innermost first."""
    return [path for path in (directory, *directory.parents) if not path.exists()]


class Lock:
    """An advisory lock on a directory; the kernel lets go of it when the process dies."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            BusyError: another process has it.
            OSError: the lock file cannot be made.
        """
        self._path = directory / LOCK_NAME
        self._file = self._take()
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps(this_process()).encode(), 0)
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Let the next run in."""
        with suppress(OSError):  # a disk that has become read-only: a stale file is no obstacle
            self._path.unlink()
        os.close(self._file)

    def _take(self) -> int:
        looks = _LOOKS
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(file, 1000, 0)
                os.close(file)
                looks -= 1
                if looks:  # `is_held` has it for a moment
                    time.sleep(_LOOK_SECONDS)
                    continue
                raise busy(self._path.parent, holder) from None
            # The last holder may have removed the file between our open() and flock().
            if self._is_still(file):
                return file
            os.close(file)

    def _is_still(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), os.stat(self._path))
        except FileNotFoundError:
            return False


def is_held(directory: Location) -> bool:
    """Whether a run is writing to `directory` now."""
    if isinstance(directory, RemotePath):
        return is_leased(directory)
    try:
        file = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
