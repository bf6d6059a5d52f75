"""Pools of worker processes that outlive a task: the next one need not wait for their start.

Each task has a pool to itself, so several may run in threads of one process.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.util import Finalize
from typing import NamedTuple

from clip_prep_cli.workers.batch import Recipe
from clip_prep_cli.workers.pool import WorkerPool

_IDLE_SECONDS = 60.0
"""After which nobody seems to want them any more; a cluster may have other users."""


class Kind(NamedTuple):
    """Pools of one kind are as good as each other."""

    processes: int
    recipe: Recipe
    timeout: float


class _Kept(NamedTuple):
    kind: Kind
    pool: WorkerPool
    end: Finalize


class _Shelf:
    """The idle pools of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Kept] = []
        self._uses = 0

    def take(self, kind: Kind) -> _Kept:
        with self._lock:
            self._uses += 1
            for kept in self._idle:
                if kept.kind == kind:
                    self._idle.remove(kept)
                    return kept
        pool = WorkerPool(*kind)
        # Before multiprocessing ends its processes, and waits for them: they block SIGTERM.
        return _Kept(kind, pool, Finalize(None, pool.end, exitpriority=100))

    def put(self, kept: _Kept) -> None:
        with self._lock:
            self._idle.append(kept)
            timer = threading.Timer(_IDLE_SECONDS, self._end_unused, (self._uses,))
        timer.daemon = True  # nothing waits for it
        timer.start()

    def end_idle(self) -> None:
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for kept in idle:
            kept.end()

    def _end_unused(self, uses: int) -> None:
        if uses == self._uses:
            self.end_idle()


_shelf = _Shelf()


def _begin_anew() -> None:
    """After a fork: the parent's pools are the parent's."""
    global _shelf  # noqa: PLW0603 - what a fork copies can only be put right where it is
    _shelf = _Shelf()


os.register_at_fork(after_in_child=_begin_anew)


@contextmanager
def pool_of(kind: Kind) -> Iterator[WorkerPool]:
    """A pool for one task; kept for the next one unless the task failed."""
    shelf = _shelf
    kept = shelf.take(kind)
    try:
        yield kept.pool
    except BaseException:
        kept.end()  # it may be at work still
        raise
    shelf.put(kept)


def end_idle_pools() -> None:
    """End the processes that no task of this process needs now."""
    _shelf.end_idle()
