"""One run at a time on an output directory."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clip_prep_cli.errors import BusyError, CannotContinueError, OutputLostError
from clip_prep_cli.sets.names import LOCK
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.local import LocalStorage
from clip_prep_cli.storage.lock import HeldDirectory
from tests.support.command import SECONDS


def take(directory: Path) -> HeldDirectory:
    """Hold a directory."""
    return HeldDirectory(directory, LOCK)


def held(directory: Path) -> bool:
    """Whether somebody holds a directory."""
    return LocalStorage(directory).is_held(LOCK)


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    """While a lock is held another one is refused, with the process that holds it."""
    lock = take(tmp_path)
    with pytest.raises(BusyError, match=f"process {os.getpid()} on .*, since 20"):
        take(tmp_path)
    lock.release()


def test_release(tmp_path: Path) -> None:
    """A released lock can be taken again and leaves no file."""
    for _ in range(2):
        lock = take(tmp_path)
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
        lock.release()
        assert os.listdir(tmp_path) == []


def test_the_lock_of_a_dead_process(tmp_path: Path) -> None:
    """A process that ends without a release leaves its file, but not its lock."""
    code = f"from pathlib import Path; import os; \
        from clip_prep_cli.storage.lock import HeldDirectory; \
        held = HeldDirectory(Path({str(tmp_path)!r}), {LOCK!r}); os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=SECONDS)
    dead = json.loads((tmp_path / LOCK).read_text())["pid"]
    assert dead != os.getpid()
    lock = take(tmp_path)
    assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    lock.release()


def test_not_yet_signed(tmp_path: Path) -> None:
    """A lock whose holder has not signed it yet is a held lock."""
    lock = take(tmp_path)
    (tmp_path / LOCK).write_text("")
    with pytest.raises(BusyError, match="just started"):
        take(tmp_path)
    lock.release()


def test_released_between_open_and_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opened the file just before its holder removed it locks the next file, not that."""
    first, really_lock = take(tmp_path), fcntl.flock

    def lock_late(file: int, operation: int) -> None:
        monkeypatch.undo()
        first.release()
        really_lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    second = take(tmp_path)
    with pytest.raises(BusyError):
        take(tmp_path)
    second.release()


def test_directories_do_not_share_locks(tmp_path: Path) -> None:
    """Each directory has its own lock; another name of the same directory has the same one."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("a")
    locks = [take(tmp_path / name) for name in ("a", "b")]
    with pytest.raises(BusyError):
        take(tmp_path / "link")
    for lock in locks:
        lock.release()


def test_no_directory(tmp_path: Path) -> None:
    """Without a directory there is no lock."""
    with pytest.raises(FileNotFoundError):
        take(tmp_path / "none")


def test_is_held(tmp_path: Path) -> None:
    """A directory is held while somebody has its lock, not by a stale file or none."""
    assert not held(tmp_path)
    assert not held(tmp_path / "none")
    lock = take(tmp_path)
    assert held(tmp_path)
    assert held(tmp_path)
    lock.release()
    (tmp_path / LOCK).write_text("stale")
    assert not held(tmp_path)
    assert (tmp_path / LOCK).read_text() == "stale"


@pytest.mark.slow
def test_looking_does_not_disturb(tmp_path: Path) -> None:
    """Whoever asks whether a directory is held keeps nobody from holding it."""
    code = f"from clip_prep_cli.storage.location import storage_at; \
        place = storage_at({str(tmp_path)!r}); print(flush=True); \
        all(place.is_held({LOCK!r}) in (0, 1) for _ in iter(int, 1))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as looking:
        try:
            assert looking.stdout
            looking.stdout.readline()
            for _ in range(2000):
                (tmp_path / LOCK).touch()
                take(tmp_path).release()
        finally:
            looking.kill()


def test_locked(tmp_path: Path) -> None:
    """A directory is held as long as one is at work in it, and stays with what was made there."""
    with LocalStorage(tmp_path / "a" / "b").locked(LOCK, create=True):
        assert held(tmp_path / "a" / "b")
        with pytest.raises(BusyError), LocalStorage(tmp_path / "a" / "b").locked(LOCK):
            pass
        (tmp_path / "a" / "b" / "made").touch()
    assert not held(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == ["made"]


def test_directories_made_for_nothing(tmp_path: Path) -> None:
    """What was made for a run that wrote nothing is removed, with all above it; no more."""
    (tmp_path / "there").mkdir()
    for name in ("there/a/b/c", "a/b", "there"):
        with pytest.raises(KeyError), LocalStorage(tmp_path / name).locked(LOCK, create=True):
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
        LocalStorage(tmp_path / "a" / "b" / "c").locked(LOCK, create=True),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_locked_makes_nothing_unasked(tmp_path: Path) -> None:
    """Without `create`, a directory that is not there is not made."""
    with pytest.raises(CannotContinueError), LocalStorage(tmp_path / "none").locked(LOCK):
        pass
    assert os.listdir(tmp_path) == []


def test_errors_of_the_disk(tmp_path: Path) -> None:
    """What the disk refuses while a directory is held is told with the directory."""
    with (
        pytest.raises(CannotContinueError, match=f"No space left in {tmp_path}"),
        LocalStorage(tmp_path).locked(LOCK),
    ):
        raise OSError(28, os.strerror(28))
    assert not held(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo"])
def test_a_lock_file_that_is_not_one(tmp_path: Path, kind: str) -> None:
    """What somebody else has put in its place is refused, unharmed, without waiting."""
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    if kind == "fifo":
        os.mkfifo(out / LOCK)
    else:
        (out / LOCK).symlink_to(victim)
    if kind == "link":
        victim.write_text("somebody's own")
    with pytest.raises(CannotContinueError, match=f"{LOCK} is a link or a special file"):
        take(out)
    assert not held(out)
    assert os.listdir(out) == [LOCK]
    assert victim.exists() == (kind == "link")
    assert kind != "link" or victim.read_text() == "somebody's own"


def test_a_directory_that_has_moved(tmp_path: Path) -> None:
    """Nothing is written under its old name; its lock goes, and that of the new one stays."""
    (tmp_path / "out").mkdir()
    with LocalStorage(tmp_path / "out").locked(LOCK) as out:
        out.replace("file", b"before")
        (tmp_path / "out").rename(tmp_path / "moved")
        with pytest.raises(OutputLostError):
            out.check()
        (tmp_path / "out").mkdir()
        other = take(tmp_path / "out")
        with pytest.raises(OutputLostError, match=r"moved, removed or replaced"):
            out.replace("file", b"after")
    assert os.listdir(tmp_path / "out") == [LOCK]
    assert os.listdir(tmp_path / "moved") == ["file"]
    other.release()


def test_a_link_that_is_switched(tmp_path: Path) -> None:
    """The directory is the one that its name meant when it was locked."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "current").symlink_to("a")
    with LocalStorage(tmp_path / "current").locked(LOCK) as out:
        (tmp_path / "next").symlink_to("b")
        (tmp_path / "next").replace(tmp_path / "current")
        with pytest.raises(OutputLostError):
            out.rename("x", "y")
        with pytest.raises(OutputLostError):
            out.remove(["x"])
    assert list(tmp_path.glob("[ab]/*")) == []


@pytest.mark.parametrize("then", ["nothing", "another run"])
def test_a_lock_file_that_is_removed(tmp_path: Path, then: str) -> None:
    """Another run may have begun, so that nothing more is written; its lock stays."""
    with LocalStorage(tmp_path).locked(LOCK) as out:
        (tmp_path / LOCK).unlink()
        other = take(tmp_path) if then == "another run" else None
        with pytest.raises(OutputLostError, match="another run may be writing"):
            out.adopt({"file": tmp_path / "file"})
    assert os.listdir(tmp_path) == ([LOCK] if other else [])
    if other:
        other.release()


def _write_to_another(path: Path, out: Storage) -> None:
    path.rename(path.with_name("moved"))
    path.mkdir()
    out.replace("file", b"")


def test_directories_that_are_lost_are_not_removed(tmp_path: Path) -> None:
    """What was made for a run goes only if it still is what was made."""
    path = tmp_path / "a" / "b"
    with pytest.raises(OutputLostError), LocalStorage(path).locked(LOCK, create=True) as out:
        _write_to_another(path, out)
    assert (tmp_path / "a" / "b").is_dir()


def test_errors_of_a_lost_directory(tmp_path: Path) -> None:
    """What fails since the directory is lost is not told as an error of the disk."""
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputLostError) as caught, LocalStorage(tmp_path / "out").locked(LOCK):
        (tmp_path / "out").rename(tmp_path / "moved").joinpath("none").read_bytes()
    assert isinstance(caught.value.__context__, FileNotFoundError)
