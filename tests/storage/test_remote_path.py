"""Files and directories at URLs: the same on a store in memory and on a real S3 server."""

import pickle
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("fsspec")

import fsspec

from clip_prep_cli.common.threads import in_order
from clip_prep_cli.errors import BusyError, StoreError, UsageError
from clip_prep_cli.storage import stores
from clip_prep_cli.storage.location import (
    entries,
    location_of,
    open_read,
    remove_files,
    replace_file,
)
from clip_prep_cli.storage.remote_path import RemotePath
from tests.support.urls import memory_url

if TYPE_CHECKING:
    from tests.support.s3 import Store

PATIENCE = 0.01


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.remote)])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemotePath]:
    """A directory that is not there yet."""
    if request.param == "memory":
        yield RemotePath(memory_url(), PATIENCE)
        return
    store: Store = request.getfixturevalue("store")
    for name, value in store.env().items():
        monkeypatch.setenv(name, value)
    forget_connections()
    yield RemotePath(f"{store.url}/{uuid.uuid4().hex}", PATIENCE)
    forget_connections()


def forget_connections() -> None:
    """Have the next file system connect as the environment says then."""
    stores._file_system.cache_clear()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize("content", [b"", b"content", bytes(100_000)])
def test_what_is_written_is_read(place: RemotePath, content: bytes) -> None:
    """A file is replaced as a whole, and found again in every way."""
    for data in (b"old and of other length", content):
        replace_file(place / "folder/file", data)
        assert (place / "folder/file").read_bytes() == data
    assert (place / "folder/file").size() == len(content)
    assert (place / "folder/file").exists()
    assert [(e.path, e.is_folder) for e in entries(place)] == [(place / "folder", True)]
    assert entries(place / "folder") == [(place / "folder" / "file", len(content), False)]


def test_what_is_not_there(place: RemotePath) -> None:
    """A missing file is missing, by its URL; a missing directory is empty; removing is done."""
    assert not (place / "file").exists()
    assert entries(place) == []
    with pytest.raises(FileNotFoundError, match=f"{place}/file"):
        (place / "file").read_bytes()
    remove_files([place / "file", place / "folder/file"])


def test_upload(place: RemotePath, tmp_path: Path) -> None:
    """A file of this machine comes there whole; one of several parts too."""
    for size in (0, 1000, 40 << 20):
        (tmp_path / "file").write_bytes(b"abcd" * (size // 4))
        (place / "file").upload(tmp_path / "file")
        assert (place / "file").read_bytes() == (tmp_path / "file").read_bytes()
        assert [entry.path.name for entry in entries(place)] == ["file"]


def test_an_upload_in_the_way(place: RemotePath, tmp_path: Path) -> None:
    """What is in the way goes, but not for a process that has lost its lock."""
    (tmp_path / "file").write_bytes(b"new")
    (place / "file").write_bytes(b"old")
    (place / "file").upload(tmp_path / "file")
    assert (place / "file").read_bytes() == b"new"
    # The lock may be lost while the upload is under way, which is seen when it is to be completed.
    (tmp_path / "file").write_bytes(b"late")
    for looks in (1, 2) if place.scheme == "s3" else (1,):
        guarded = replace(place / "file", guard=lost_after(looks))
        with pytest.raises(BusyError):
            guarded.upload(tmp_path / "file")
        assert guarded.read_bytes() == b"new"
        assert pickle.loads(pickle.dumps(guarded)) == place / "file"  # noqa: S301


def lost_after(looks: int) -> Callable[[], None]:
    """A lock of which it is seen at this look that it is lost."""
    left = [None] * looks

    def look() -> None:
        left.pop()
        if not left:
            raise BusyError("It is lost.", "Stop.")

    return look


def test_create(place: RemotePath) -> None:
    """A file is made once."""
    assert (place / "file").create(b"first")
    assert not (place / "file").create(b"second")
    assert (place / "file").read_bytes() == b"first"


def test_remove(place: RemotePath) -> None:
    """What is removed is gone, the rest is not."""
    for number in range(5):
        (place / f"{number}").write_bytes(b"x")
    remove_files([place / f"{number}" for number in range(4)])
    assert [entry.path.name for entry in entries(place)] == ["4"]


def test_reading_anywhere(place: RemotePath) -> None:
    """A file that is open is read from any place, to its end and no further."""
    content = bytes(range(256)) * 2000
    (place / "file").write_bytes(content)
    with open_read(place / "file") as file:
        assert file.read(10) == content[:10]
        file.seek(400_000)
        assert file.read(50_000) == content[400_000:450_000]
        file.seek(-7, 2)
        assert file.read(100) == content[-7:]
        assert file.read(1) == b""


def test_pickling(place: RemotePath) -> None:
    """A URL can be handed to another process."""
    (place / "file").write_bytes(b"content")
    assert pickle.loads(pickle.dumps(place / "file")).read_bytes() == b"content"  # noqa: S301


def test_an_upload_that_was_cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where files grow under their names, only a whole one comes to have the name."""
    place = RemotePath(memory_url(), PATIENCE)
    (tmp_path / "file").write_bytes(b"content")
    fs = fsspec.filesystem("memory")

    def put_half(file: str, path: str) -> None:
        fs.pipe_file(path, Path(file).read_bytes()[:3])
        raise OSError(104, "Connection reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr(type(fs), "put_file", lambda _, file, path: put_half(file, path))
        with pytest.raises(StoreError, match="Connection reset"):
            (place / "file").upload(tmp_path / "file")
    assert [entry.path.name.rpartition(".")[2] for entry in entries(place)] == ["partial"]


def test_a_store_that_loses_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has arrived is compared with what was sent."""
    place = RemotePath(memory_url(), PATIENCE)
    fs = fsspec.filesystem("memory")
    info = type(fs).info
    monkeypatch.setattr(type(fs), "info", lambda *a: {**info(*a), "size": 6})
    with pytest.raises(StoreError, match="of 7 bytes 6 have arrived"):
        (place / "file").write_bytes(b"content")


def test_in_order() -> None:
    """Calls from several threads give their results in order; an error ends them."""
    assert list(in_order(str, range(100), 7)) == [str(number) for number in range(100)]
    assert list(in_order(str, [], 7)) == []
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // number, [3, 2, 1, 0, 1, 2], 2))


def test_locations() -> None:
    """A URL is a URL, whatever slashes it ends with; of this machine is what says so."""
    assert location_of("s3://bucket/a/") == RemotePath("s3://bucket/a")
    assert location_of("file:///a%20b") == Path("/a b")
    assert location_of("a/b:c") == Path("a/b:c")
    assert location_of(Path("s3")) == Path("s3")
    with pytest.raises(UsageError, match="holds a password"):
        location_of("sftp://me:secret@host/a")
    url = RemotePath("s3://bucket/a/shard-1.npy")
    assert (url.name, url.suffix, url.parent) == (
        "shard-1.npy",
        ".npy",
        RemotePath("s3://bucket/a"),
    )


def test_no_such_kind_of_url() -> None:
    """A scheme that fsspec does not know is named."""
    with pytest.raises(UsageError, match="nonsense"):
        RemotePath("nonsense://a/b").exists()
