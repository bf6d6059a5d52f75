"""One run at a time on a set at a URL, and for how long a lock counts that nobody renews."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

pytest.importorskip("fsspec")

import fsspec

from clip_prep_cli.errors import BusyError
from clip_prep_cli.sets.names import LOCK
from clip_prep_cli.storage import lease
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.lease import LEASE_SECONDS, Lease
from clip_prep_cli.storage.location import storage_at
from tests.support.command import SECONDS, wait_until
from tests.support.urls import memory_url


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A directory that is not there yet, and nothing waits for long."""
    monkeypatch.setattr(lease, "_SETTLE_SECONDS", 0.01)
    return storage_at(memory_url(), 0.01)


def leave(place: Storage, *, age: float = 0, **fields: object) -> bytes:
    """The lock of a process of another machine, which was last renewed `age` seconds ago."""
    holder = {"host": "elsewhere", "pid": 77, "since": "2026-01-01", "machine": "m", "started": "1"}
    content = json.dumps({**holder, "nonce": "n", **fields}).encode()
    place.replace(LOCK, content)
    file = fsspec.filesystem("memory").store[fsspec.core.url_to_fs(place.at(LOCK))[1]]
    file.modified -= timedelta(seconds=age)
    return content


def taken(place: Storage) -> Lease:
    """The lock of a place, held."""
    lock = Lease(place, LOCK)
    lock.take()
    return lock


def holder(place: Storage) -> bytes:
    """What the lock says."""
    return place.read(LOCK)


def test_a_held_lock_names_its_holder(place: Storage) -> None:
    """While a lock is held another one is refused, with the process that holds it."""
    first = taken(place)
    with pytest.raises(BusyError, match=f"process {os.getpid()} on .*, since 20"):
        taken(place)
    first.check()
    first.release()


def test_release(place: Storage) -> None:
    """A released lock can be taken again and leaves nothing."""
    for _ in range(2):
        with place.locked(LOCK, create=True) as out:
            assert place.is_held(LOCK)
            out.replace("file", b"content")
            out.remove(["file"])
        assert place.entries() == []
        assert not place.is_held(LOCK)


@pytest.mark.parametrize("gone", ["dead", "other with its number"])
def test_a_dead_process_of_this_machine(place: Storage, gone: str) -> None:
    """Its lock is no obstacle, even if another process has its number by now."""
    held = taken(place)
    fields = json.loads(holder(place))
    held.release()
    if gone == "dead":
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait(SECONDS)
        leave(place, **{**fields, "pid": dead.pid})
    else:
        leave(place, **{**fields, "started": "1"})
    assert not place.is_held(LOCK)
    lock = taken(place)
    lock.check()
    assert json.loads(holder(place))["pid"] == os.getpid()
    lock.release()


@pytest.mark.parametrize("broken", [{}, {"machine": 5}, {"pid": None}])
def test_another_machine(place: Storage, broken: dict[str, object]) -> None:
    """Its lock counts for as long as it may be renewed, whatever it says."""
    content = leave(place, age=LEASE_SECONDS - 60, **broken)
    assert place.is_held(LOCK)
    with pytest.raises(BusyError, match="expires in 5 minutes"):
        taken(place)
    assert holder(place) == content
    assert [entry.name for entry in place.entries()] == [LOCK]
    leave(place, age=LEASE_SECONDS + 60, **broken)
    assert not place.is_held(LOCK)
    taken(place).release()
    assert place.entries() == []


def test_what_is_not_a_lock(place: Storage) -> None:
    """A file that says nothing is a held lock until it is old."""
    place.replace(LOCK, b"")
    with pytest.raises(BusyError, match="just started"):
        taken(place)


def test_renewal(place: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is renewed as long as it is held, so that nobody takes it."""
    monkeypatch.setattr(lease, "_RENEWAL_SECONDS", 0.01)
    held = taken(place)
    leave(place, age=2 * LEASE_SECONDS, **json.loads(holder(place)))
    wait_until(lambda: not held._is_dead(b"", lambda: datetime.now(UTC)))
    held.check()
    held.release()


def test_a_lost_lock(place: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has lost its lock is told, and leaves that of the other one as it is."""
    monkeypatch.setattr(lease, "_RENEWAL_SECONDS", 0.01)
    (tmp_path / "file").write_bytes(b"content")
    with place.locked(LOCK) as out:
        other = leave(place)
        with pytest.raises(BusyError, match=r"taken over"):
            out.replace("other", b"content")
        with pytest.raises(BusyError, match=r"taken over"):
            out.adopt({"file": tmp_path / "file"})
        with pytest.raises(BusyError, match=r"taken over"):
            out.remove([LOCK])
    assert holder(place) == other
    assert [entry.name for entry in place.entries()] == [LOCK]


def test_many_at_once(place: Storage) -> None:
    """Of several that find a dead lock at the same time one gets it, or none."""
    leave(place, age=2 * LEASE_SECONDS)
    barrier, got = Barrier(8), []

    def take() -> None:
        barrier.wait()
        try:
            got.append(taken(place))
        except BusyError:
            return

    threads = [Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sound = []
    for each in got:
        try:
            each.check()
        except BusyError:
            continue
        sound.append(each)
    assert len(sound) <= 1
    for each in got:
        each.release()
