"""Samples that can be read only once: copied, few at a time, and gone when they are not needed."""

import io
import os
import threading
from pathlib import Path

import pytest

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.samples.parts import Part, Streamed
from clip_prep_cli.sets.names import sources_file
from clip_prep_cli.sources.archives.spool import Spool
from clip_prep_cli.sources.archives.streams import ForwardStream, RandomAccess
from tests.support.command import wait_until


def streamed(data: bytes, size: int | None = None) -> Streamed:
    """A sample that is all of a stream."""
    return Streamed(
        ForwardStream(iter([data])), Part("x.tgz", 0, len(data) if size is None else size)
    )


def content(part: Part | None) -> bytes:
    """The bytes of a part of a file."""
    assert part
    with open(part.file, "rb") as file:
        return b"".join(part.unpacked(RandomAccess(file).read_at))


def test_copies(tmp_path: Path) -> None:
    """Each sample is there until its shard is released; in the end nothing is."""
    with Spool(tmp_path, 100, file_name=sources_file) as spool:
        first, second = spool.keep(streamed(b"one"), 7), spool.keep(streamed(b"three"), 7)
        third = spool.keep(streamed(b"four"), 8)
        assert list(map(content, (first, second, third))) == [b"one", b"three", b"four"]
        names = {f"sources-00000{n}.{os.getpid()}.partial" for n in (7, 8)}
        assert set(os.listdir(tmp_path)) == names
        spool.release(7)
        assert os.listdir(tmp_path) == [f"sources-000008.{os.getpid()}.partial"]
    assert os.listdir(tmp_path) == []


def test_damaged_and_too_large(tmp_path: Path) -> None:
    """A sample that ends too early is none; one that no image can be is not copied."""
    with Spool(tmp_path, 100, file_name=sources_file) as spool:
        assert spool.keep(streamed(b"one", 9), 0) is None
        assert content(spool.keep(streamed(b"two"), 0)) == b"two"
        large = streamed(bytes(101))
        assert spool.keep(large, 0) is large.part
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 6


def test_taken_back(tmp_path: Path) -> None:
    """What turns out not to be needed makes room for the next one; what is no copy stays."""
    with Spool(tmp_path, 100, file_name=sources_file) as spool:
        first, second = spool.keep(streamed(b"one"), 0), spool.keep(streamed(b"three"), 0)
        assert first
        assert second
        spool.take_back(second)
        spool.take_back(Part("x.tar", 0, 1))
        third = spool.keep(streamed(b"four"), 0)
        assert third
        assert third.offset == second.offset
        assert [content(first), content(third)] == [b"one", b"four"]


def test_few_at_a_time(tmp_path: Path) -> None:
    """Who fills it waits for who empties it, or until it should stop."""
    stopping = threading.Event()
    kept: list[Part | None] = []
    with Spool(tmp_path, 100, stopping.is_set, sources_file) as spool:

        def fill() -> None:
            kept.extend(spool.keep(streamed(b"x"), number) for number in range(5))

        thread = threading.Thread(target=fill)
        thread.start()
        wait_until(lambda: len(kept) == 3)
        assert len(os.listdir(tmp_path)) == 3
        spool.release(0)
        wait_until(lambda: len(kept) == 4)
        stopping.set()
        thread.join()
        assert kept[4] is None
        assert len(os.listdir(tmp_path)) == 3


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said where there is no space."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with Spool(tmp_path, 100, file_name=sources_file) as spool:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(CannotContinueError, match="No space left"):
            spool.keep(streamed(b"one"), 0)
    assert os.listdir(tmp_path) == []


def test_a_stream_is_read_once() -> None:
    """Bytes by their offset, forwards."""
    stream = ForwardStream(iter([b"abc", b"", b"defg", b"h"]))
    assert stream.read_at(1, 3) == b"bcd"
    assert stream.reaches(6)
    assert stream.read_at(6, 9) == b"gh"
    assert not stream.reaches(9)
    assert RandomAccess(io.BytesIO(b"abc")).read_at(1, 9) == b"bc"
