"""Threads that nobody has to wait for when the process ends."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeVar

T = TypeVar("T")


class Crew:
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
