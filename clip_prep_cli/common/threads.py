"""Work in other threads: an iterator ahead of its consumer, calls in order, daemon threads."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock, Thread
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


S = TypeVar("S")


def in_order(call: Callable[[S], T], items: Iterable[S], at_once: int) -> Iterator[T]:
    """What `call` makes of each item, in their order, from so many threads; no further ahead."""
    if at_once == 1:
        yield from map(call, items)
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(at_once) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(call, item))
                if len(waiting) >= at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class DaemonThreads:
    """At most `count` daemon threads, started when there is something to do."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = 0
        self._lock = Lock()
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def submit(self, call: Callable[[], T]) -> "Future[T]":
        """Have `call` made; its result or error will be in the future."""
        future: Future[T] = Future()

        def task() -> None:
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
                future.set_exception(error)

        self._tasks.put(task)
        with self._lock:
            if self._threads < self._count:
                self._threads += 1
                Thread(target=self._run, daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            self._tasks.get()()


def result_of(future: "Future[T]", should_stop: Callable[[], bool], tick: float = 0.1) -> T | None:
    """The result, or None if it should stop before there is one."""
    while True:
        try:
            return future.result(tick)
        except TimeoutError:
            if future.done():
                raise
            if should_stop():
                return None
