"""One run at a time on an output directory."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import SECONDS

from clip_prep_cli.errors import BusyError
from clip_prep_cli.lock import LOCK_NAME, Lock


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    """While a lock is held another one is refused, with the process that holds it."""
    lock = Lock(tmp_path)
    with pytest.raises(BusyError, match=f"process {os.getpid()} on .*, since 20"):
        Lock(tmp_path)
    lock.release()


def test_release(tmp_path: Path) -> None:
    """A released lock can be taken again and leaves no file."""
    for _ in range(2):
        lock = Lock(tmp_path)
        assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()
        lock.release()
        assert os.listdir(tmp_path) == []


def test_the_lock_of_a_dead_process(tmp_path: Path) -> None:
    """A process that ends without a release leaves its file, but not its lock."""
    code = f"from pathlib import Path; from clip_prep_cli.lock import Lock; import os; \
        Lock(Path({str(tmp_path)!r})); os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=SECONDS)
    dead = json.loads((tmp_path / LOCK_NAME).read_text())["pid"]
    assert dead != os.getpid()
    lock = Lock(tmp_path)
    assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()
    lock.release()


def test_not_yet_signed(tmp_path: Path) -> None:
    """A lock whose holder has not signed it yet is a held lock."""
    lock = Lock(tmp_path)
    (tmp_path / LOCK_NAME).write_text("")
    with pytest.raises(BusyError, match="just started"):
        Lock(tmp_path)
    lock.release()


def test_released_between_open_and_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opened the file just before its holder removed it locks the next file, not that."""
    first, really_lock = Lock(tmp_path), fcntl.flock

    def lock_late(file: int, operation: int) -> None:
        monkeypatch.undo()
        first.release()
        really_lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    second = Lock(tmp_path)
    with pytest.raises(BusyError):
        Lock(tmp_path)
    second.release()


def test_directories_do_not_share_locks(tmp_path: Path) -> None:
    """Each directory has its own lock; another name of the same directory has the same one."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("a")
    locks = [Lock(tmp_path / name) for name in ("a", "b")]
    with pytest.raises(BusyError):
        Lock(tmp_path / "link")
    for lock in locks:
        lock.release()


def test_no_directory(tmp_path: Path) -> None:
    """Without a directory there is no lock."""
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "none")
