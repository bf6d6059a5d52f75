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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from clip_prep_cli.errors import BusyError, StoreError
from clip_prep_cli.storage.durable import partial_name
from clip_prep_cli.storage.holder import busy, this_process
from clip_prep_cli.storage.interface import Check, Lock, Storage

LEASE_SECONDS = 300.0
_RENEWAL_SECONDS = 60.0
_SETTLE_SECONDS = 0.5
_TRIES = 5
_IMPATIENCE = 5.0
"""Seconds for which a store is tried where nothing depends on it."""
_UNTIL = f" If it has died, its lock expires in {LEASE_SECONDS / 60:g} minutes."


class Lease(Lock):
    """The lock of a directory at a URL, in the file `name`, whoever holds it.

    Every method raises StoreError if the store refuses, or does not answer.
    """

    def __init__(self, directory: Storage, name: str) -> None:
        self._directory = directory
        self._name = name
        self._impatient = directory.with_patience(min(_IMPATIENCE, directory.patience))
        holder = {
            **this_process(),
            "machine": _machine(),
            "started": _started(os.getpid()),
            "nonce": uuid.uuid4().hex,
        }
        self._content = json.dumps(holder).encode()
        self._released = Event()
        self._thread = Thread(target=self._renew, name="lease", daemon=True)

    def is_held(self) -> bool:
        """Whether some process holds it, by the clock of this machine."""
        holder = self._holder(self._directory)
        return holder is not None and not self._is_dead(holder, lambda: datetime.now(UTC))

    @contextmanager
    def hold(self, *, create: bool) -> Iterator[Check]:
        """Hold it; see `Storage.locked`. A store needs no directory."""
        del create
        self.take()
        try:
            yield self.check
        finally:
            self.release()

    def take(self) -> None:
        """Take it, once, and renew it until it is released.

        Raises:
            BusyError: another process has it.
        """
        for _ in range(_TRIES):
            if not self._directory.create(self._name, self._content):
                holder = self._holder(self._directory)
                if holder is None:
                    continue
                if holder != self._content and not self._is_dead(holder, self._time_there):
                    raise busy(str(self._directory), holder, _UNTIL)
                self._directory.replace(self._name, self._content)
                time.sleep(_SETTLE_SECONDS)  # somebody else may be about to do the same
            holder = self._holder(self._directory)
            if holder == self._content:
                self._thread.start()
                return
        raise busy(str(self._directory), holder or b"", _UNTIL)

    def check(self) -> None:
        """Look whether it is still ours.

        Raises:
            BusyError: another process has taken it over.
            StoreError: the store refuses, or does not answer.
        """
        if self._holder(self._directory) != self._content:
            raise BusyError(
                f"Another run has taken over {self._directory}: this one did not renew its "
                f"lock for {LEASE_SECONDS / 60:g} minutes.",
                "Committed shards are kept. Let the other run finish.",
            )

    def release(self) -> None:
        """Let the next process in."""
        self._released.set()
        self._thread.join()
        with suppress(StoreError):  # it ends by itself
            if self._holder(self._impatient) == self._content:
                self._impatient.remove([self._name])

    def _renew(self) -> None:
        while not self._released.wait(_RENEWAL_SECONDS):
            # If it cannot be renewed now: whether it is lost is seen before the next commit.
            with suppress(StoreError):
                if self._holder(self._impatient) != self._content:
                    return
                self._impatient.replace(self._name, self._content)

    def _holder(self, directory: Storage) -> bytes | None:
        """What the lock file says."""
        with suppress(FileNotFoundError):
            return directory.read(self._name)
        return None

    def _is_dead(self, holder: bytes, clock: Callable[[], datetime | None]) -> bool:
        """Whether the process that has written `holder` is dead, or has not renewed it for long."""
        try:
            fields = json.loads(holder)
            if fields["machine"] == _machine():
                return _started(int(fields["pid"])) != str(fields["started"])
        except (ValueError, TypeError, KeyError):  # whatever that is, it may be renewed
            pass
        try:
            now, then = clock(), self._directory.modified(self._name)
        except FileNotFoundError:
            return False
        return now is not None and then is not None and (now - then).total_seconds() > LEASE_SECONDS

    def _time_there(self) -> datetime | None:
        """What time it is at the store: to know that, one writes there."""
        probe = partial_name(self._name)
        self._directory.replace(probe, b"")
        try:
            return self._directory.modified(probe)
        finally:
            self._directory.remove([probe])


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
