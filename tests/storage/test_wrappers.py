"""What is put around storages: tried again, checked each time, several at once, or pretended."""

from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

pytest.importorskip("tenacity")

from clip_prep_cli.errors import BusyError, StoreError
from clip_prep_cli.storage.local import LocalStorage
from clip_prep_cli.storage.wrappers import Guarded, Limited, Pretending, Retrying


class Shaky:
    """In place of a method of LocalStorage; the first calls fail, after it was done or not."""

    def __init__(self, name: str, *errors: Exception, done: bool = False) -> None:
        self._really: Callable[..., Any] = getattr(LocalStorage, name)
        self._errors = list(errors)
        self._done = done
        self.calls = 0

    def __get__(self, place: LocalStorage, _: type) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls += 1
            if not self._errors:
                return self._really(place, *arguments)
            if self._done:
                self._really(place, *arguments)
            raise self._errors.pop()

        return call


def shaken(
    monkeypatch: pytest.MonkeyPatch, name: str, *errors: Exception, done: bool = False
) -> Shaky:
    """A method that fails as often as there are errors."""
    shaky = Shaky(name, *errors, done=done)
    monkeypatch.setattr(LocalStorage, name, shaky)
    return shaky


def test_what_passes_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that may pass is met again; one that does not is told at once."""
    place = Retrying(LocalStorage(tmp_path), 30.0)
    (tmp_path / "file").write_bytes(b"content")
    shaky = shaken(monkeypatch, "read", TimeoutError(), ConnectionError())
    assert place.read("file") == b"content"
    assert shaky.calls == 3
    shaky = shaken(monkeypatch, "size", PermissionError(13, "Permission denied"))
    with pytest.raises(StoreError, match="Permission denied"):
        place.size("file")
    assert shaky.calls == 1


def test_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails for longer than the patience is an error of the store, by name."""
    place = Retrying(LocalStorage(tmp_path), 30.0).with_patience(0.0)
    shaken(monkeypatch, "replace", TimeoutError("late"))
    with pytest.raises(StoreError, match=f"late .*{tmp_path}/file"):
        place.replace("file", b"")
    with pytest.raises(StoreError, match="does not exist"):
        place.replace("no/file", b"")


def test_a_rename_without_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was done is done; one of a file that is missing is not, whatever has the name."""
    place = Retrying(LocalStorage(tmp_path), 30.0)
    (tmp_path / "old").write_bytes(b"content")
    shaken(monkeypatch, "rename", TimeoutError(), done=True)
    place.rename("old", "new")
    assert place.read("new") == b"content"
    with pytest.raises(FileNotFoundError):
        place.rename("old", "new")


def test_what_is_in_the_way_of_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes, as long as that is not refused."""
    (tmp_path / "made").write_bytes(b"new")
    (tmp_path / "file").write_bytes(b"old")
    shaken(monkeypatch, "adopt", FileExistsError(), FileExistsError())
    for allowed in (1, 0):
        guarded = Retrying(Guarded(LocalStorage(tmp_path), refusing_after(allowed)), 30.0)
        with pytest.raises(BusyError):
            guarded.adopt({"file": tmp_path / "made"})
        assert guarded.read("file") == b"old"
    Retrying(LocalStorage(tmp_path), 30.0).adopt({"file": tmp_path / "made"})
    assert (tmp_path / "file").read_bytes() == b"new"


def test_each_attempt_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock may be lost between two attempts."""
    shaky = shaken(monkeypatch, "replace", TimeoutError(), TimeoutError())
    place = Limited(Retrying(LocalStorage(tmp_path), 30.0), 4).guarded(refusing_after(1))
    with pytest.raises(BusyError):
        place.replace("file", b"content")
    assert shaky.calls == 1
    assert not place.exists("file")


def refusing_after(allowed: int) -> Callable[[], None]:
    """A guard that allows so many attempts."""
    left = [None] * allowed

    def guard() -> None:
        if not left:
            raise BusyError("It is lost.", "Stop.")
        left.pop()

    return guard


def test_several_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What concerns several files is done in several threads, and the limit is known to readers."""
    place = Limited(LocalStorage(tmp_path), 3)
    together, really = Barrier(3), LocalStorage.remove

    def remove(self: LocalStorage, names: list[str]) -> None:
        together.wait(30)
        really(self, names)

    monkeypatch.setattr(LocalStorage, "remove", remove)
    for name in "abcd":
        (tmp_path / name).touch()
    place.remove(["a", "b", "c"])
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert place.reads_at_once == 3


def test_pretending(tmp_path: Path) -> None:
    """It reads what is there, and changes nothing."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"content")
    place = Pretending(LocalStorage(tmp_path))
    place.replace("file", b"other")
    assert not place.create("new", b"")
    place.rename("file", "new")
    place.adopt({"new": tmp_path / "file"})
    place.renew_folders(["folder"], ["other"])
    place.remove(["file"])
    assert place.read("file") == b"content"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
