"""Remote files into memory: ahead of their use, in order, within bounds."""

from collections.abc import Iterator
from threading import Event
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("fsspec")

from fsspec import filesystem

from clip_prep_cli.errors import CannotContinueError, ImageError
from clip_prep_cli.storage import fetch
from clip_prep_cli.storage.fetch import Fetcher, ReadLimits, read_whole
from tests.support.command import wait_until

MOST = 1 << 20


@pytest.fixture
def urls() -> Iterator[list[str]]:
    """A hundred files in the memory of this process, each of its own length."""
    top = f"memory://{uuid4().hex}"
    memory = filesystem("memory")
    names = [f"{top}/{number}" for number in range(100)]
    for number, name in enumerate(names):
        memory.pipe_file(name, b"x" * number)
    yield names
    memory.rm(top, recursive=True)


class Counted:
    """Counts who is being read, and holds readers up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.gate = Event()
        self._range = fetch._range
        monkeypatch.setattr(fetch, "_range", self)

    def __call__(self, place: Any, end: int) -> bytes:
        """Read, once the gate is open."""
        self.begun.append(place.path)
        assert self.gate.wait(60)
        return self._range(place, end)


def test_files_come_in_order(urls: list[str]) -> None:
    """Each as it is, the empty one too; between them what is on this machine."""
    fetcher = Fetcher(ReadLimits(MOST))
    batches: list[list[str | None]] = [[*urls[:50], None], [*urls[50:]]]
    coming = [fetcher.announce(batch) for batch in batches]
    contents = [
        each.wait(n) for each, batch in zip(coming, batches, strict=True) for n in range(len(batch))
    ]
    assert contents == [*(b"x" * n for n in range(50)), None, *(b"x" * n for n in range(50, 100))]
    assert not any(coming[0]._files + coming[1]._files)  # what was taken is not kept


def test_reading_goes_ahead_of_use(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of dozens of files, over the end of a batch; nobody has asked for the first one yet."""
    counted = Counted(monkeypatch)
    fetcher = Fetcher(ReadLimits(MOST))
    first, second = fetcher.announce(urls[:32]), fetcher.announce(urls[32:64])
    wait_until(lambda: len(counted.begun) == fetch._THREADS)
    counted.gate.set()
    assert [first.wait(n) for n in (0, 31)] == [b"", b"x" * 31]
    first.close()
    second.close()


def test_what_is_held_is_bounded(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By bytes; what is to be used next always comes, and what is used makes room."""
    monkeypatch.setattr(fetch, "_MOST_BYTES", 1000)
    counted = Counted(monkeypatch)
    counted.gate.set()
    fetcher = Fetcher(ReadLimits(MOST))
    fetcher._expected = 400
    coming = fetcher.announce(urls[50:])
    for number in range(50):
        assert coming.wait(number) == b"x" * (50 + number)
        with fetcher._room:
            assert fetcher._held <= 1500  # the sizes of some turned out to be larger
    assert fetcher._held == 0


def test_large_files_are_read_whole_in_turn(
    urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little room there is."""
    monkeypatch.setattr(fetch, "_FIRST_BYTES", 20)
    monkeypatch.setattr(fetch, "_MOST_BYTES", 100)
    coming = Fetcher(ReadLimits(MOST)).announce(urls)
    assert [coming.wait(n) for n in range(100)] == [b"x" * n for n in range(100)]


def test_what_no_image_can_be_is_not_read(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor held, if its size is told."""
    monkeypatch.setattr(fetch, "_FIRST_BYTES", 20)
    with pytest.raises(ImageError, match="99 bytes is more than --max-pixels") as caught:
        read_whole(urls[99], ReadLimits(50))
    assert caught.value.reason == "too_large"
    assert read_whole(urls[50], ReadLimits(50)) == b"x" * 50


def test_a_missing_file_costs_itself(urls: list[str]) -> None:
    """The others come."""
    coming = Fetcher(ReadLimits(MOST)).announce([urls[1], urls[0] + "none", urls[2]])
    missing = coming.wait(1)
    assert isinstance(missing, ImageError)
    assert missing.reason == "unreadable"
    assert (coming.wait(0), coming.wait(2)) == (b"x", b"xx")


def test_a_refusal_is_raised(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """To whoever waits for the file."""

    def refuse(*_: Any) -> bytes:
        raise PermissionError("no")

    monkeypatch.setattr(fetch, "_range", refuse)
    coming = Fetcher(ReadLimits(MOST)).announce(urls[:1])
    with pytest.raises(CannotContinueError, match="refused"):
        coming.wait(0)


def test_nobody_waits_when_it_is_to_end(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what arrives in a moment."""
    monkeypatch.setattr(fetch, "_GRACE_SECONDS", 0.2)
    counted = Counted(monkeypatch)
    coming = Fetcher(ReadLimits(MOST, should_stop=lambda: True)).announce(urls[:1])
    with pytest.raises(CannotContinueError, match="Stopped waiting"):
        coming.wait(0)
    counted.gate.set()


def test_what_is_dropped_is_not_read(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody has begun; and it is held no more."""
    monkeypatch.setattr(fetch, "_THREADS", 1)
    counted = Counted(monkeypatch)
    fetcher = Fetcher(ReadLimits(MOST))
    first, last = fetcher.announce(urls[:50]), fetcher.announce(urls[50:51])
    wait_until(lambda: bool(counted.begun))
    first.close()
    counted.gate.set()
    assert last.wait(0) == b"x" * 50
    assert len(counted.begun) == 2
    assert fetcher._held == 0
