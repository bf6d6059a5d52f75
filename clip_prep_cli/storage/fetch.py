"""Remote files into memory, ahead of their use, in threads; bounded in count and in bytes."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Condition, Lock, Thread
from typing import TypeVar

from clip_prep_cli.errors import CannotContinueError, ClipPrepError
from clip_prep_cli.pixels.limits import check_size
from clip_prep_cli.storage.retry import (
    DEFAULT_PATIENCE,
    attempt,
    cannot_go_on,
    concerns_store,
    is_permanent,
    unreadable,
)
from clip_prep_cli.storage.stores import Place, info_of, place_of

T = TypeVar("T")

_THREADS = 48
_FIRST_BYTES = 1 << 24
"""Read without asking for the size first; what is larger is read once more, whole."""
_MOST_BYTES = 1 << 28
"""Held ahead of their use, by the sizes that are known or to be expected."""
_GRACE_SECONDS = 2.0
"""What is under way may still arrive in this time when a run is to stop."""
_TICK_SECONDS = 0.1


@dataclass(eq=False)
class _Fetch:
    """A file that is wanted: its bytes or why there are none, once it has been read."""

    url: str
    content: bytes | Exception | None = None
    counted: int = 0
    dropped: bool = False


@dataclass(frozen=True)
class ReadLimits:
    """How files are read: how large they can be, how long a store is tried, until when."""

    most: int
    patience: float = DEFAULT_PATIENCE
    should_stop: Callable[[], bool] = lambda: False


class Fetcher:
    """Begins to read files when they are announced; hands them out in that order."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        lock = Lock()
        self._arrived = Condition(lock)
        self._room = Condition(lock)
        self._coming: deque[_Fetch] = deque()
        """What is not being read yet."""
        self._order: deque[_Fetch] = deque()
        """What has not been handed out."""
        self._held = 0
        self._expected = 1 << 18
        self._threads = 0
        self._large = 0
        self._deadline: float | None = None

    def announce(self, urls: Sequence[str | None]) -> "FetchedFiles":
        """Begin to read what is at each URL; None stands for a source that is not at one."""
        files = [_Fetch(url) if url else None for url in urls]
        wanted = [file for file in files if file]
        with self._room:
            self._coming.extend(wanted)
            self._order.extend(wanted)
            for _ in range(min(_THREADS - self._threads, len(wanted))):
                self._threads += 1
                Thread(target=self._run, daemon=True).start()
            self._room.notify(len(wanted))
        return FetchedFiles(self, files)

    def wait(self, file: _Fetch) -> None:
        """Return when the bytes of `file` are there, or none will be; see `FetchedFiles.wait`."""
        with self._arrived:
            while file.content is None:
                self._arrived.wait(_TICK_SECONDS)
                if file.content is None and self._is_over():
                    raise CannotContinueError(f"Stopped waiting for {file.url}.", "Run it again.")
        if isinstance(file.content, CannotContinueError):
            raise file.content

    def drop(self, files: Sequence[_Fetch]) -> None:
        """Forget files: they have been used, or will not be."""
        with self._room:
            for file in files:
                if not file.dropped:
                    file.dropped = True
                    self._held -= file.counted
                    self._order.remove(file)
            if self._coming or self._large:
                self._room.notify_all()

    def _is_over(self) -> bool:
        if not self._limits.should_stop():
            return False
        self._deadline = self._deadline or time.monotonic() + _GRACE_SECONDS
        return time.monotonic() > self._deadline

    def _run(self) -> None:
        while True:
            with self._room:
                self._room.wait_for(self._may_begin)
                file = self._coming.popleft()
                if file.dropped:
                    continue
                file.counted = self._expected
                self._held += file.counted
            limits = self._limits
            content: bytes | Exception
            try:
                content = read_whole(file.url, limits, partial(self._wait_for_room, file))
            except Exception as error:  # noqa: BLE001 - whoever waits for the file raises it
                content = error
            with self._arrived:
                size = len(content) if isinstance(content, bytes) else 0
                self._count(file, size)
                self._expected += (size - self._expected) // 8
                file.content = content
                self._arrived.notify()

    def _may_begin(self) -> bool:
        return bool(self._coming) and (
            self._held + self._expected <= _MOST_BYTES
            or self._coming[0].dropped
            or self._coming[0] is self._order[0]
        )

    def _wait_for_room(self, file: _Fetch, size: int) -> None:
        """Wait until `size` bytes may be held; what is used next may always be."""
        with self._room:
            self._large += 1
            self._room.wait_for(
                lambda: (
                    file.dropped
                    or self._held - file.counted + size <= _MOST_BYTES
                    or self._order[0] is file
                )
            )
            self._large -= 1
            self._count(file, size)

    def _count(self, file: _Fetch, size: int) -> None:
        if not file.dropped:
            self._held += size - file.counted
            file.counted = size


class FetchedFiles:
    """The files of a batch that are being read; None for a source that is no URL."""

    def __init__(self, fetcher: Fetcher, files: list[_Fetch | None]) -> None:
        self._fetcher = fetcher
        self._files = files

    def wait(self, number: int) -> bytes | Exception | None:
        """The bytes of a source, or why there are none; None if it is not at a URL.

        Raises:
            CannotContinueError: for a reason that concerns more than this file.
        """
        file = self._files[number]
        if file is None:
            return None
        self._fetcher.wait(file)
        self._fetcher.drop([file])
        self._files[number] = None  # or the bytes would stay until the batch is done
        return file.content

    def close(self) -> None:
        """Forget what has not been taken."""
        self._fetcher.drop([file for file in self._files if file])


def read_whole(
    url: str, limits: ReadLimits, make_room: Callable[[int], None] = lambda _: None
) -> bytes:
    """The bytes of the file at `url`; `make_room` is told the size of a large one before.

    Raises:
        ImageError: it cannot be read, or no image can be that large.
        CannotContinueError: the store does not answer, or refuses.
    """
    try:
        place = place_of(url)
        data = _asked(partial(_range, place, _FIRST_BYTES), limits)
        if len(data) == _FIRST_BYTES:
            size = _asked(lambda: info_of(place)["size"] or 0, limits)
            check_size(size, limits.most)
            make_room(size)
            # Once more from its beginning: parts that were read one by one might not belong
            # together, if the file is replaced meanwhile.
            data = _asked(partial(_range, place, limits.most + 1), limits)
        check_size(len(data), limits.most)
    except ClipPrepError:
        raise
    except Exception as error:
        if concerns_store(error):
            raise cannot_go_on(url, error, limits.patience) from error
        raise unreadable(error) from error
    return data


def _asked(call: Callable[[], T], limits: ReadLimits) -> T:
    return attempt(call, limits.patience, limits.should_stop)


def _range(place: Place, end: int) -> bytes:
    """The first `end` bytes of a file, by one request, which s3fs needs a range for."""
    try:
        data: bytes = place.fs.cat_file(place.path, start=0, end=end)
    except Exception as error:
        one_of_this_file = is_permanent(error) and not concerns_store(error)
        if one_of_this_file and info_of(place)["size"] == 0:  # which has no range
            return b""
        raise
    return data
