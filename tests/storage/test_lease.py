"""One run at a time on a set at a URL, and for how long a lock counts that nobody renews."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

pytest.importorskip("fsspec")

import fsspec

from clip_prep_cli.errors import BusyError
from clip_prep_cli.storage import lease
from clip_prep_cli.storage.holder import LOCK_NAME
from clip_prep_cli.storage.lease import LEASE_SECONDS, Lease
from clip_prep_cli.storage.location import entries, remove_files, replace_file
from clip_prep_cli.storage.lock import is_held, locked
from clip_prep_cli.storage.remote_path import RemotePath
from tests.support.command import SECONDS, wait_until
from tests.support.urls import memory_url


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> RemotePath:
    """A directory that is not there yet, and nothing waits for long."""
    monkeypatch.setattr(lease, "_SETTLE_SECONDS", 0.01)
    return RemotePath(memory_url(), 0.01)


def leave(place: RemotePath, *, age: float = 0, **fields: object) -> bytes:
    """The lock of a process of another machine, which was last renewed `age` seconds ago."""
    holder = {"host": "elsewhere", "pid": 77, "since": "2026-01-01", "machine": "m", "started": "1"}
    content = json.dumps({**holder, "nonce": "n", **fields}).encode()
    (place / LOCK_NAME).write_bytes(content)
    file = fsspec.filesystem("memory").store[fsspec.core.url_to_fs((place / LOCK_NAME).url)[1]]
    file.modified -= timedelta(seconds=age)
    return content


def holder(place: RemotePath) -> bytes:
    """What the lock says."""
    return (place / LOCK_NAME).read_bytes()


def test_a_held_lock_names_its_holder(place: RemotePath) -> None:
    """While a lock is held another one is refused, with the process that holds it."""
    first = Lease(place)
    with pytest.raises(BusyError, match=f"process {os.getpid()} on .*, since 20"):
        Lease(place)
    first.check()
    first.release()


def test_release(place: RemotePath) -> None:
    """A released lock can be taken again and leaves nothing."""
    for _ in range(2):
        with locked(place, create=True) as out:
            assert is_held(place)
            replace_file(out / "file", b"content")
            remove_files([out / "file"])
        assert entries(place) == []
        assert not is_held(place)


@pytest.mark.parametrize("gone", ["dead", "other with its number"])
def test_a_dead_process_of_this_machine(place: RemotePath, gone: str) -> None:
    """Its lock is no obstacle, even if another process has its number by now."""
    held = Lease(place)
    fields = json.loads(holder(place))
    held.release()
    if gone == "dead":
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait(SECONDS)
        leave(place, **{**fields, "pid": dead.pid})
    else:
        leave(place, **{**fields, "started": "1"})
    assert not is_held(place)
    lock = Lease(place)
    lock.check()
    assert json.loads(holder(place))["pid"] == os.getpid()
    lock.release()


@pytest.mark.parametrize("broken", [{}, {"machine": 5}, {"pid": None}])
def test_another_machine(place: RemotePath, broken: dict[str, object]) -> None:
    """Its lock counts for as long as it may be renewed, whatever it says."""
    content = leave(place, age=LEASE_SECONDS - 60, **broken)
    assert is_held(place)
    with pytest.raises(BusyError, match="ends 5 minutes after"):
        Lease(place)
    assert holder(place) == content
    assert [entry.path.name for entry in entries(place)] == [LOCK_NAME]
    leave(place, age=LEASE_SECONDS + 60, **broken)
    assert not is_held(place)
    Lease(place).release()
    assert entries(place) == []


def test_what_is_not_a_lock(place: RemotePath) -> None:
    """A file that says nothing is a held lock until it is old."""
    (place / LOCK_NAME).write_bytes(b"")
    with pytest.raises(BusyError, match="just started"):
        Lease(place)


def test_renewal(place: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is renewed as long as it is held, so that nobody takes it."""
    monkeypatch.setattr(lease, "_RENEWAL_SECONDS", 0.01)
    held = Lease(place)
    leave(place, age=2 * LEASE_SECONDS, **json.loads(holder(place)))
    wait_until(lambda: lease._age(place / LOCK_NAME) < LEASE_SECONDS)
    held.check()
    held.release()


def test_a_lost_lock(place: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has lost its lock is told, and leaves that of the other one as it is."""
    monkeypatch.setattr(lease, "_RENEWAL_SECONDS", 0.01)
    (tmp_path / "file").write_bytes(b"content")
    with locked(place) as out:
        assert isinstance(out, RemotePath)
        other = leave(place)
        with pytest.raises(BusyError, match=r"taken .* over"):
            out.write_bytes(b"content")
        with pytest.raises(BusyError, match=r"taken .* over"):
            (out / "file").upload(tmp_path / "file")
        with pytest.raises(BusyError, match=r"taken .* over"):
            (out / LOCK_NAME).remove()
    assert holder(place) == other
    assert [entry.path.name for entry in entries(place)] == [LOCK_NAME]


def test_many_at_once(place: RemotePath) -> None:
    """Of several that find a dead lock at the same time one gets it, or none."""
    leave(place, age=2 * LEASE_SECONDS)
    barrier, got = Barrier(8), []

    def take() -> None:
        barrier.wait()
        try:
            got.append(Lease(place))
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
