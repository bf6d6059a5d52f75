"""One remote file as an open file."""

import io
import random
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("fsspec")

from fsspec import filesystem

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.sources.checksum import UNREADABLE, file_xxh128
from clip_prep_cli.sources.reader import Reader
from clip_prep_cli.storage import remote_file
from clip_prep_cli.storage.remote_file import open_url

DATA = random.Random(0).randbytes(10_000)  # noqa: S311


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A file of many blocks."""
    url = f"memory://{uuid4().hex}/data"
    filesystem("memory").pipe_file(url, DATA)
    yield url
    filesystem("memory").rm(url)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test can afford."""
    monkeypatch.setattr(remote_file, "_BLOCK", 100)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11_000), st.integers(0, 700), st.integers(0, 2))))
def test_it_reads_as_a_local_file(url: str, steps: list[tuple[int, int, int]]) -> None:
    """Wherever it is read, in whatever order."""
    local = io.BytesIO(DATA)
    with open_url(url) as file:
        for position, size, whence in steps:
            offset = position if whence == 0 else -min(position, 0)
            assert file.seek(offset, whence) == local.seek(offset, whence)
            assert file.read(size) == local.read(size)
            assert file.tell() == local.tell()
        file.seek(0)
        assert file.read() == DATA


def test_blocks_are_read_ahead_and_forgotten(url: str) -> None:
    """Some are on their way while one is used; few are kept."""
    with open_url(url) as file:
        raw: Any = file.raw
        file.read(1)
        assert len(raw._blocks) > remote_file._AHEAD
        while file.read(50):
            assert len(raw._blocks) <= remote_file._KEPT + 1


def test_archives_are_read_from_it() -> None:
    """By what the standard library has for them."""
    url = f"memory://{uuid4().hex}/archive"
    for kind in ("zip", "tar"):
        packed = io.BytesIO()
        if kind == "zip":
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("a", DATA)
        else:
            with tarfile.open(fileobj=packed, mode="w") as tar:
                member = tarfile.TarInfo("a")
                member.size = len(DATA)
                tar.addfile(member, io.BytesIO(DATA))
        filesystem("memory").pipe_file(url, packed.getvalue())
        with open_url(url) as file:
            if kind == "zip":
                assert zipfile.ZipFile(file).read("a") == DATA
            else:
                content = tarfile.open(fileobj=file).extractfile("a")  # noqa: SIM115
                assert content
                assert content.read() == DATA
    filesystem("memory").rm(url)


def test_errors_are_told_apart(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is an OSError, as of a local file; a store that is away is not."""
    with pytest.raises(OSError, match="none"):
        open_url(f"{url}-none")
    assert file_xxh128(f"{url}-none", 10) == UNREADABLE

    def away(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(type(filesystem("memory")), "cat_file", away)
    with open_url(url, patience=0) as file, pytest.raises(CannotContinueError):
        file.read(1)


def test_a_file_that_shrinks_is_an_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No loop, and no bytes that were never there."""
    monkeypatch.setattr(type(filesystem("memory")), "cat_file", lambda *_, **__: b"")
    with open_url(url) as file, pytest.raises(OSError, match="shorter"):
        file.read(1)


def test_checksums_and_single_files(url: str) -> None:
    """Are those of the bytes."""
    from xxhash import xxh3_128_intdigest

    assert file_xxh128(url, 10**9) == xxh3_128_intdigest(DATA)
    assert file_xxh128(url, 150) == xxh3_128_intdigest(DATA[:150])
    data, mtime_ns = Reader(10**6).read(url)
    assert (bytes(data), mtime_ns) == (DATA, None)
