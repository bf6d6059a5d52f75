"""Writing that leaves whole files or none, and what a full disk means."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clip_prep_cli.storage.durable import pwrite_all, reserve, storage_error, write_atomically
from tests.support.command import album, convert, customized, read_manifest

OPTIONS = ("--shard-size", "4")
SHARD_BYTES = 4096 + 4 * 3 * 224 * 224


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_write_atomically(tmp_path: Path) -> None:
    """A file is replaced as a whole."""
    for content in (b"old", b"", b"new and longer"):
        write_atomically(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
        assert os.listdir(tmp_path) == ["file"]


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    """If the new content cannot be written the old one stays, and nothing else."""
    write_atomically(tmp_path / "file", b"old")
    with file_size_limit(1000), pytest.raises(OSError, match="too large") as caught:
        write_atomically(tmp_path / "file", bytes(2000))
    assert caught.value.errno == errno.EFBIG
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_short_writes_are_continued(tmp_path: Path) -> None:
    """When the kernel takes only a part, the rest follows; then comes its error."""
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    data = os.urandom(3000)
    with file_size_limit(2000), pytest.raises(OSError, match="too large"):
        pwrite_all(file, data, 500)
    assert os.pread(file, 9000, 0) == bytes(500) + data[:1500]
    pwrite_all(file, data, 500)
    assert os.pread(file, 9000, 0) == bytes(500) + data
    os.close(file)


def test_what_cannot_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An allocation that must fail is not tried: it would take space from writes elsewhere."""
    stat = os.statvfs(tmp_path)
    size = stat.f_frsize * stat.f_blocks + 1

    def must_not(*_: object) -> None:
        pytest.fail("space was asked for that is not there")

    monkeypatch.setattr(os, "posix_fallocate", must_not, raising=False)
    monkeypatch.setattr(os, "ftruncate", must_not)
    with pytest.raises(OSError, match="No space left") as caught:
        reserve(tmp_path / "file", size)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_reserve(tmp_path: Path) -> None:
    """Reserved space is really there; what cannot be reserved leaves no file."""
    file = reserve(tmp_path / "file", 100_000)
    stat = os.fstat(file)
    os.close(file)
    assert stat.st_size == 100_000
    assert stat.st_blocks * 512 >= 100_000
    with pytest.raises(FileExistsError):
        reserve(tmp_path / "file", 10)
    with file_size_limit(1000), pytest.raises(OSError, match="too large"):
        reserve(tmp_path / "other", 2000)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left"),
        (errno.EDQUOT, "Disk quota exceeded"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EROFS, "Read-only file system"),
    ],
)
def test_storage_errors_say_what_to_do(number: int, words: str, tmp_path: Path) -> None:
    """Each way in which a disk refuses has a message with the place and a remedy."""
    error = storage_error(OSError(number, os.strerror(number)), tmp_path, 1 << 60)
    assert words in error.lines[0]
    assert str(tmp_path) in error.lines[0]
    assert error.lines[-1]


def test_a_shard_over_the_file_size_limit(tmp_path: Path) -> None:
    """A shard that the system's limits forbid ends the run, which leaves no partial file."""
    source, out = album(tmp_path / "in", 5), tmp_path / "out"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    done = convert(source, out, *OPTIONS, status=1, env=customized(tmp_path / "limit", limit))
    assert f"A shard of {SHARD_BYTES:,} bytes exceeds" in done.stderr
    assert not done.stdout
    assert not list(out.rglob("*.partial"))
    assert not read_manifest(out)["complete"]
    convert(source, out, *OPTIONS)
