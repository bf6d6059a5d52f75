"""Directories at URLs, beyond what every storage does."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("fsspec")

import fsspec

from clip_prep_cli.errors import StoreError, UsageError
from clip_prep_cli.storage.location import storage_at
from clip_prep_cli.storage.remote import RemoteStorage
from tests.support.urls import memory_url

if TYPE_CHECKING:
    from tests.support.s3 import Store

PATIENCE = 0.01


def test_a_name_that_is_taken(store_here: "Store", tmp_path: Path) -> None:
    """A store that can refuse to replace what is there does so: see `Retrying`."""
    (tmp_path / "file").write_bytes(b"late")
    place = RemoteStorage(store_here.url)
    place.replace("file", b"committed")
    with pytest.raises(FileExistsError):
        place.adopt({"file": tmp_path / "file"})
    assert place.read("file") == b"committed"


def test_an_upload_that_was_cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where files grow under their names, only a whole one comes to have the name."""
    place = storage_at(memory_url(), PATIENCE)
    (tmp_path / "file").write_bytes(b"content")
    fs = fsspec.filesystem("memory")

    def put_half(file: str, path: str) -> None:
        fs.pipe_file(path, Path(file).read_bytes()[:3])
        raise OSError(104, "Connection reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr(type(fs), "put_file", lambda _, file, path: put_half(file, path))
        with pytest.raises(StoreError, match="Connection reset"):
            place.adopt({"file": tmp_path / "file"})
    assert [each.name.rpartition(".")[2] for each in place.entries()] == ["partial"]


def test_a_store_that_loses_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has arrived is compared with what was sent."""
    place = storage_at(memory_url(), PATIENCE)
    fs = fsspec.filesystem("memory")
    info = type(fs).info
    monkeypatch.setattr(type(fs), "info", lambda *a: {**info(*a), "size": 6})
    with pytest.raises(StoreError, match="only 6 of 7 bytes arrived"):
        place.replace("file", b"content")


def test_what_only_gives() -> None:
    """A web server takes nothing."""
    assert not RemoteStorage("https://host/set").is_writable
    assert RemoteStorage("s3://bucket/set").is_writable


def test_no_such_kind_of_url() -> None:
    """A scheme that fsspec does not know is named."""
    with pytest.raises(UsageError, match="nonsense"):
        storage_at("nonsense://a/b").exists("file")
