"""One run at a time on an output directory."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clip_prep_cli.errors import BusyError, CannotContinueError
from clip_prep_cli.storage.holder import LOCK_NAME
from clip_prep_cli.storage.lock import Lock, is_held, locked
from tests.support.command import SECONDS


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
    code = f"from pathlib import Path; from clip_prep_cli.storage.lock import Lock; import os; \
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


def test_is_held(tmp_path: Path) -> None:
    """A directory is held while somebody has its lock, not by a stale file or none."""
    assert not is_held(tmp_path)
    assert not is_held(tmp_path / "none")
    lock = Lock(tmp_path)
    assert is_held(tmp_path)
    assert is_held(tmp_path)
    lock.release()
    (tmp_path / LOCK_NAME).write_text("stale")
    assert not is_held(tmp_path)
    assert (tmp_path / LOCK_NAME).read_text() == "stale"


@pytest.mark.slow
def test_looking_does_not_disturb(tmp_path: Path) -> None:
    """Whoever asks whether a directory is held keeps nobody from holding it."""
    code = f"from pathlib import Path; from clip_prep_cli.storage.lock import is_held; \
        print(flush=True); all(is_held(Path({str(tmp_path)!r})) in (0, 1) for _ in iter(int, 1))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as looking:
        try:
            assert looking.stdout
            looking.stdout.readline()
            for _ in range(2000):
                (tmp_path / LOCK_NAME).touch()
                Lock(tmp_path).release()
        finally:
            looking.kill()


def test_locked(tmp_path: Path) -> None:
    """A directory is held as long as one is at work in it, and stays with what was made there."""
    with locked(tmp_path / "a" / "b", create=True):
        assert is_held(tmp_path / "a" / "b")
        with pytest.raises(BusyError), locked(tmp_path / "a" / "b"):
            pass
        (tmp_path / "a" / "b" / "made").touch()
    assert not is_held(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == ["made"]


def test_directories_made_for_nothing(tmp_path: Path) -> None:
    """What was made for a run that wrote nothing is removed, with all above it; no more."""
    (tmp_path / "there").mkdir()
    for name in ("there/a/b/c", "a/b", "there"):
        with pytest.raises(KeyError), locked(tmp_path / name, create=True):
            raise KeyError
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]


def test_directories_made_by_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made of a path that could not be made whole is removed too."""
    mkdir = os.mkdir

    def refusing(path: Path, mode: int = 0o777) -> None:
        if path.name == "c" and path.parent.exists():
            raise OSError(28, os.strerror(28), str(path))
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", refusing)
    with (
        pytest.raises(CannotContinueError, match="No space left"),
        locked(tmp_path / "a" / "b" / "c", create=True),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_locked_makes_nothing_unasked(tmp_path: Path) -> None:
    """Without `create`, a directory that is not there is not made."""
    with pytest.raises(CannotContinueError), locked(tmp_path / "none"):
        pass
    assert os.listdir(tmp_path) == []


def test_errors_of_the_disk(tmp_path: Path) -> None:
    """What the disk refuses while a directory is held is told with the directory."""
    with pytest.raises(CannotContinueError, match=f"No space left in {tmp_path}"), locked(tmp_path):
        raise OSError(28, os.strerror(28))
    assert not is_held(tmp_path)
    assert os.listdir(tmp_path) == []
