"""Run an iterator ahead of its consumer in a thread, so far and no further."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_TICK_SECONDS = 0.5


class Ahead(Generic[T]):
    """Iterates `items` in another thread, at most `limit` items ahead; errors come through."""

    def __init__(self, items: Iterable[T], limit: int) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[T] | Exception | None] = queue.Queue(limit)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T | None]:
        """The items; None now and then while there is none yet, so that others can be served."""
        while True:
            try:
                entry = self._queue.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                yield None
                continue
            if entry is None:
                return
            if isinstance(entry, Exception):
                raise entry
            yield entry[0]

    def close(self) -> None:
        """Stop; what was made ahead is dropped."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.1)
            except queue.Empty:
                continue

    def _run(self) -> None:
        try:
            for item in self._items:
                if self._closed.is_set():
                    return
                self._queue.put((item,))
        except Exception as error:  # noqa: BLE001 - the consumer raises it
            self._queue.put(error)
        else:
            self._queue.put(None)
