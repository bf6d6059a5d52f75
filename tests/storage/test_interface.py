"""The contract of storages: the same for directories, object stores, and what is around them."""

import os
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("fsspec")

from clip_prep_cli.errors import BusyError
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.local import LocalStorage
from clip_prep_cli.storage.location import storage_at
from clip_prep_cli.storage.remote import RemoteStorage
from clip_prep_cli.storage.wrappers import Guarded, Limited, Retrying, Wrapper
from tests.support.urls import memory_url

if TYPE_CHECKING:
    from tests.support.s3 import Store

PATIENCE = 0.01
LOCK = ".lock"

KINDS: dict[str, Callable[[Path], Storage]] = {
    "local": LocalStorage,
    "local, wrapped": lambda path: Limited(Retrying(Guarded(LocalStorage(path), bool), 0.0), 2),
    "memory": lambda _: RemoteStorage(memory_url()),
    "memory, wrapped": lambda _: storage_at(memory_url(), PATIENCE).guarded(bool),
}


STORES = [pytest.param(kind, marks=pytest.mark.remote) for kind in ("s3", "s3, wrapped")]


@pytest.fixture(params=[*KINDS, *STORES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty directory with a folder."""
    kind: str = request.param
    if kind in KINDS:
        place = KINDS[kind](tmp_path / "place")
        (tmp_path / "place").mkdir()
    else:
        store: Store = request.getfixturevalue("store_here")
        url = f"{store.url}/{uuid.uuid4().hex}"
        place = storage_at(url, PATIENCE) if "wrapped" in kind else RemoteStorage(url)
    place.renew_folders([], ["folder"])
    return place


@pytest.mark.parametrize("content", [b"", b"content", bytes(100_000)])
def test_what_is_written_is_read(place: Storage, content: bytes) -> None:
    """A file is replaced as a whole, and found again in every way."""
    for data in (b"old and of other length", content):
        place.replace("folder/file", data)
        assert place.read("folder/file") == data
    assert place.size("folder/file") == len(content)
    assert place.exists("folder/file")
    assert place.modified("folder/file")
    assert [(each.name, each.is_folder) for each in place.entries()] == [("folder", True)]
    assert place.entries("folder") == [("file", len(content), False)]


def test_what_is_not_there(place: Storage) -> None:
    """A missing file is missing, by its name; a missing folder is empty; removing is done."""
    assert not place.exists("file")
    assert place.entries("none") == []
    for look in (place.read, place.size, place.modified):
        with pytest.raises(FileNotFoundError):
            look("file")
    if isinstance(place, LocalStorage | Wrapper):
        with pytest.raises(FileNotFoundError, match=place.at("file")):
            place.read("file")
    place.remove(["file", "folder/file"])


def test_create(place: Storage) -> None:
    """A file is made once."""
    assert place.create("file", b"first")
    assert not place.create("file", b"second")
    assert place.read("file") == b"first"


def test_rename(place: Storage) -> None:
    """A file gets another name, in place of what had it."""
    for name in ("old", "new"):
        place.replace(name, name.encode())
    place.rename("old", "folder/new")
    place.replace("old", b"again")
    place.rename("old", "new")
    assert place.read("folder/new") == b"old"
    assert place.read("new") == b"again"
    assert not place.exists("old")


def test_remove(place: Storage) -> None:
    """What is removed is gone, the rest is not."""
    names = [*map(str, range(5)), "folder/file"]
    for name in names:
        place.replace(name, b"x")
    place.remove([*names[:4], "folder/file"])
    assert [each.name for each in place.entries() if not each.is_folder] == ["4"]
    assert place.entries("folder") == []


def test_adopt(place: Storage, tmp_path: Path) -> None:
    """Files of this machine come there whole, small and large, under other names."""
    files = {}
    for size in (0, 1000, 20 << 20):
        files[f"folder/{size}"] = tmp_path / f"made-{size}"
        files[f"folder/{size}"].write_bytes(b"abcd" * (size // 4))
    place.adopt(files)
    for size in (0, 1000, 20 << 20):
        assert place.read(f"folder/{size}") == b"abcd" * (size // 4)
    assert {each.name for each in place.entries("folder")} == {"0", "1000", str(20 << 20)}


def test_reading_anywhere(place: Storage) -> None:
    """A file that is open is read from any place, to its end and no further."""
    content = bytes(range(256)) * 2000
    place.replace("file", content)
    with place.open("file") as file:
        assert file.read(10) == content[:10]
        file.seek(400_000)
        assert file.read(50_000) == content[400_000:450_000]
        file.seek(-7, 2)
        assert file.read(100) == content[-7:]
        assert file.read(1) == b""


def test_locked(place: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time holds it, and what is given can be written to as long as it is held."""
    monkeypatch.setattr("clip_prep_cli.storage.lease._SETTLE_SECONDS", 0.01)
    assert not place.is_held(LOCK)
    with place.locked(LOCK) as out:
        assert place.is_held(LOCK)
        with pytest.raises(BusyError, match=f"process {os.getpid()} on"), place.locked(LOCK):
            pass
        out.replace("file", b"content")
        out.check()
    assert not place.is_held(LOCK)
    assert not place.exists(LOCK)
    assert place.read("file") == b"content"


def test_guarded(place: Storage, tmp_path: Path) -> None:
    """What a guard refuses does not happen; reading is no matter of its."""
    (tmp_path / "file").write_bytes(b"other")
    place.replace("file", b"content")
    guarded = place.guarded(refuse)
    for write in (
        guarded.check,
        lambda: guarded.replace("file", b"other"),
        lambda: guarded.create("new", b""),
        lambda: guarded.rename("file", "new"),
        lambda: guarded.remove(["file"]),
        lambda: guarded.adopt({"file": tmp_path / "file"}),
        lambda: guarded.renew_folders(["folder"], ["new"]),
    ):
        with pytest.raises(BusyError):
            write()
    assert guarded.read("file") == b"content"
    assert {each.name for each in guarded.entries()} <= {"file", "folder"}


def refuse() -> None:
    """A guard that lets nothing through."""
    raise BusyError("It is lost.", "Stop.")


def test_pickling(place: Storage) -> None:
    """A place can be handed to another process."""
    place.replace("file", b"content")
    copy = pickle.loads(pickle.dumps(place))  # noqa: S301
    assert copy == place
    assert copy.read("file") == b"content"
    assert place.absolute().read("file") == b"content"


def test_names(place: Storage, tmp_path: Path) -> None:
    """It says where it is, and whether that is here."""
    assert place.at("folder/file") == f"{place}/folder/file"
    assert place.here == (None if "://" in str(place) else tmp_path / "place")
    assert place.name == str(place).rpartition("/")[2]
    assert place.is_writable
    assert place.with_patience(3.0).patience in (0.0, 3.0)
