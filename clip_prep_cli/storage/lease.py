"""One run at a time on a set at a URL: a lock object that its holder renews as long as it lives.

No store can tell whether the process that made an object is alive. So a lease counts for five
minutes after it was renewed, by the clock of the store; and one of a process of this machine that
is dead does not count at all. Whoever holds one looks before each commit whether it still does.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from clip_prep_cli.errors import BusyError, StoreError
from clip_prep_cli.storage.holder import LOCK_NAME, busy, this_process
from clip_prep_cli.storage.remote_path import RemotePath

LEASE_SECONDS = 300.0
_RENEWAL_SECONDS = 60.0
_SETTLE_SECONDS = 0.5
_TRIES = 5
_IMPATIENCE = 5.0
"""Seconds for which a store is tried where nothing depends on it."""
_UNTIL = f" If it has died, its lock expires in {LEASE_SECONDS / 60:g} minutes."


class Lease:
    """The lock of a set at a URL."""

    def __init__(self, directory: RemotePath) -> None:
        """Take the lock.

        Raises:
            BusyError: another process has it.
            StoreError: the store refuses, or does not answer.
        """
        self._directory = directory
        self._path = directory / LOCK_NAME
        holder = {
            **this_process(),
            "machine": _machine(),
            "started": _started(os.getpid()),
            "nonce": uuid.uuid4().hex,
        }
        self._content = json.dumps(holder).encode()
        self._impatient = replace(self._path, patience=min(_IMPATIENCE, self._path.patience))
        self._take()
        self._released = Event()
        self._thread = Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Look whether it is still ours.

        Raises:
            BusyError: another process has taken it over.
            StoreError: the store refuses, or does not answer.
        """
        if _content(self._path) != self._content:
            raise BusyError(
                f"Another run has taken over {self._directory}: this one did not renew its "
                f"lock for {LEASE_SECONDS / 60:g} minutes.",
                "Committed shards are kept. Let the other run finish.",
            )

    def release(self) -> None:
        """Let the next run in."""
        self._released.set()
        self._thread.join()
        with suppress(StoreError):  # it ends by itself
            if _content(self._impatient) == self._content:
                self._impatient.remove()

    def _take(self) -> None:
        for _ in range(_TRIES):
            if not self._path.create(self._content):
                holder = _content(self._path)
                if holder is None:
                    continue
                if holder != self._content and not _is_dead(self._path, holder, _age):
                    raise busy(self._directory, holder, _UNTIL)
                self._path.write_bytes(self._content)
                time.sleep(_SETTLE_SECONDS)  # somebody else may be about to do the same
            holder = _content(self._path)
            if holder == self._content:
                return
        raise busy(self._directory, holder or b"", _UNTIL)

    def _renew(self) -> None:
        while not self._released.wait(_RENEWAL_SECONDS):
            # If it cannot be renewed now: whether it is lost is seen before the next commit.
            with suppress(StoreError):
                if _content(self._impatient) != self._content:
                    return
                self._impatient.write_bytes(self._content)


def is_leased(directory: RemotePath) -> bool:
    """Whether a run is writing to a set now.

    Raises:
        StoreError: the store refuses, or does not answer.
    """
    path = directory / LOCK_NAME
    holder = _content(path)
    return holder is not None and not _is_dead(path, holder, _age_here)


def _content(path: RemotePath) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _is_dead(path: RemotePath, holder: bytes, age: Callable[[RemotePath], float]) -> bool:
    """Whether the process that has written `holder` is dead, or has not renewed it for long."""
    try:
        fields = json.loads(holder)
        if fields["machine"] == _machine():
            return _started(int(fields["pid"])) != str(fields["started"])
    except (ValueError, TypeError, KeyError):  # whatever that is, it may be renewed
        pass
    return age(path) > LEASE_SECONDS


def _age_here(path: RemotePath) -> float:
    """For how many seconds a file has not been written, by the clock of this machine."""
    try:
        then = path.modified()
    except FileNotFoundError:
        return LEASE_SECONDS
    return (datetime.now(UTC) - then).total_seconds() if then else 0.0


def _age(path: RemotePath) -> float:
    """For how many seconds a file has not been written, by the clock of the store.

    To know what time it is there, one writes there.
    """
    probe = path.parent / f"{LOCK_NAME}.{os.getpid()}.partial"
    probe.write_bytes(b"")
    try:
        then, now = path.modified(), probe.modified()
    except FileNotFoundError:
        return 0.0
    finally:
        probe.remove()
    return (now - then).total_seconds() if now and then else 0.0


def _machine() -> str:
    """What is the same for two processes if each can see whether the other one is alive."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """What is the same as long as a process lives; None if there is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:  # another process may have got its number
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
