"""One run at a time on an output directory, for as long as the process lives and no longer."""

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from clip_prep_cli.errors import BusyError

LOCK_NAME = ".clip-prep.lock"
"""The lock file in an output directory; there only while a run holds it, or after it was killed."""


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
        holder = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(holder).encode(), 0)

    def release(self) -> None:
        """Let the next run in."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _take(self) -> int:
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(file, 1000, 0)
                os.close(file)
                raise _busy(self._path.parent, holder) from None
            # The last holder may have removed the file between our open() and flock().
            if self._is_still(file):
                return file
            os.close(file)

    def _is_still(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), os.stat(self._path))
        except FileNotFoundError:
            return False


def _busy(directory: Path, holder: bytes) -> BusyError:
    try:
        fields = json.loads(holder)
        who = f"process {fields['pid']} on {fields['host']}, since {fields['since']}"
    except ValueError:  # caught between taking the lock and signing it
        who = "just started"
    return BusyError(
        f"Another run is writing to {directory}: {who}.",
        "Wait until it has ended, or take another --out.",
    )
