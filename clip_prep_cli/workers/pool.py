"""Supervised worker processes: a file that kills or hangs its worker costs that file alone.

`multiprocessing.Pool` waits for ever when a worker is killed and `ProcessPoolExecutor` breaks as
a whole; neither knows which image of a batch it was.
"""

import signal
import time
from collections import deque
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from typing import NamedTuple, Self

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.workers.batch import IDLE, Batch, Outcome, Recipe, Refused, RowNotWrittenError
from clip_prep_cli.workers.launch import clean_start

_QUEUED_PER_WORKER = 2  # one under way, one in the pipe, so that no worker waits for the parent
_MAX_BARREN_DEATHS = 5
_POLL_SECONDS = 0.5
_MAX_COUNTED_SECONDS = 1.0
"""From one look at a worker to the next. If it took longer, this process slept, and it too."""


Answer = dict[str, str] | list[Outcome] | RowNotWrittenError | CannotContinueError
"""A worker's first word, its versions; then a word on each batch."""


class Done(NamedTuple):
    """A batch and the outcome of each of its rows, or why they could not be written or read."""

    batch: Batch
    outcomes: list[Outcome] | RowNotWrittenError | CannotContinueError


@dataclass
class _Work:
    """A batch, and what is known already of rows that cost an earlier worker its life."""

    batch: Batch
    known: dict[int, Outcome] = field(default_factory=dict)

    def remaining(self) -> Batch:
        if not self.known:
            return self.batch
        pairs = zip(self.batch.rows, self.batch.sources, strict=True)
        left = [(row, source) for row, source in pairs if row not in self.known]
        return self.batch._replace(
            rows=tuple(row for row, _ in left), sources=tuple(source for _, source in left)
        )

    def complete(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        rest = iter(outcomes)
        return [self.known.get(row) or next(rest) for row in self.batch.rows]


class _Worker:
    """One process, its pipe, the work it has been given, and when its progress last moved."""

    def __init__(self, context: ForkServerContext, recipe: Recipe) -> None:
        self.connection, theirs = context.Pipe()
        self._progress = context.RawArray("q", [IDLE, 0, 0])
        self._process = context.Process(
            target=_work, args=(theirs, recipe, self._progress), daemon=True
        )
        try:
            with clean_start():
                self._process.start()
        except (EOFError, OSError) as error:
            raise _no_workers(f"{type(error).__name__} {error}".strip()) from error
        theirs.close()
        self.work: deque[_Work] = deque()
        self._looked = (0, time.monotonic())
        self._stuck = 0.0

    @property
    def ticks(self) -> int:
        """A count that moves with every image."""
        return int(self._progress[1])

    @property
    def row(self) -> int:
        """The row the worker is on, or IDLE."""
        return int(self._progress[0])

    def stuck_for(self) -> float:
        """Seconds for which it has been seen on the same image, time asleep not counted."""
        (ticks, then), now = self._looked, time.monotonic()
        if self.row == IDLE or self.ticks != ticks:
            self._stuck = 0.0
        else:
            self._stuck += min(now - then, _MAX_COUNTED_SECONDS)
        self._looked = (self.ticks, now)
        return self._stuck

    def hurry(self) -> None:
        """Have it wait no more for what comes over the network."""
        self._progress[2] = 1

    def kill(self) -> str:
        """End it at once, if it has not ended; how it ended."""
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        return f"exit status {code}" if code >= 0 else _signal_name(-code)

    def last_answers(self) -> Iterator[Answer]:
        """What it had sent before it ended."""
        with suppress(EOFError, OSError):
            while True:
                yield self.connection.recv()


class WorkerPool:
    """Converts batches in `count` processes; batches come back in the order they finish."""

    def __init__(self, count: int, recipe: Recipe, timeout: float) -> None:
        # Never a fork of this process, which has threads.
        self._context = get_context("forkserver")
        self.count = count
        self._recipe = recipe
        self._timeout = timeout
        self.versions: dict[str, str] = {}
        """What the workers say that they are made of, once they have said it."""
        self._workers: list[_Worker] = []
        self._returned: deque[_Work] = deque()
        self._suspects: set[tuple[int, int]] = set()
        self._barren_deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill the workers, whatever they are at; there are going to be no others."""
        self.count = 0
        for member in self._workers:
            member.kill()
            member.connection.close()
        self._workers.clear()

    @property
    def busy(self) -> bool:
        """Whether any batch has not come back yet."""
        return bool(self._returned) or any(member.work for member in self._workers)

    def hurry(self) -> None:
        """Have workers wait no more for the network: batches may come back unfinished."""
        for member in self._workers:
            member.hurry()

    def has_room(self) -> bool:
        """Whether a worker is short of work."""
        return self._has_slot() and not self._returned

    def submit(self, batch: Batch) -> None:
        """Give a batch to the worker that has least to do."""
        self._give(_Work(batch))

    def collect(self) -> list[Done]:
        """What has come back; waits a moment if nothing has.

        Raises:
            CannotContinueError: workers die without having touched an image.
        """
        done: list[Done] = []
        busy = [member for member in self._workers if member.work]
        ready = wait([member.connection for member in busy], _POLL_SECONDS)
        for member in busy:
            if member.connection in ready:
                self._receive(member, done)
            elif member.stuck_for() > self._timeout:
                self._bury(member, done, timed_out=True)
        while self._returned and self._has_slot():
            self._give(self._returned.popleft())
        return done

    def _has_slot(self) -> bool:
        return len(self._workers) < self.count or any(
            len(member.work) < _QUEUED_PER_WORKER for member in self._workers
        )

    def _give(self, work: _Work) -> None:
        idle = [member for member in self._workers if not member.work]
        if not idle and len(self._workers) < self.count:
            self._workers.append(_Worker(self._context, self._recipe))
        member = min(self._workers, key=lambda member: len(member.work))
        member.work.append(work)
        try:
            member.connection.send(work.remaining())
        except OSError:  # it died while idle; its end of the pipe will tell
            return

    def _receive(self, member: _Worker, done: list[Done]) -> None:
        try:
            self._take(member, member.connection.recv(), done)
        except (EOFError, OSError):
            self._bury(member, done, timed_out=False)

    def _take(self, member: _Worker, answer: Answer, done: list[Done]) -> None:
        if isinstance(answer, dict):
            self.versions = answer
            return
        self._barren_deaths = 0
        work = member.work.popleft()
        if self._suspects:  # the pool may live on, and see another shard of that number
            self._suspects -= {(work.batch.shard, row) for row in work.batch.rows}
        if isinstance(answer, list):
            answer = work.complete(answer)
        done.append(Done(work.batch, answer))

    def _bury(self, member: _Worker, done: list[Done], *, timed_out: bool) -> None:
        """Take a worker out; blame the row it was on; put its work back."""
        ticks = member.ticks
        end = member.kill()
        for answer in member.last_answers():
            self._take(member, answer, done)
        member.connection.close()
        self._workers.remove(member)
        # A worker that came unstuck while it was given up has nothing to blame.
        if not timed_out or member.ticks == ticks:
            verdict = Refused("worker_died", f"the worker died twice: {end}")
            if timed_out:
                detail = f"not done after {self._timeout:g} s (--timeout)"
                verdict = Refused("timeout", detail)
            self._blame(member, verdict, end)
        if not member.work:
            return
        first, *rest = member.work
        if len(first.known) == len(first.batch.rows):
            done.append(Done(first.batch, first.complete(())))
        else:
            self._returned.append(first)
        self._returned.extend(rest)

    def _blame(self, member: _Worker, verdict: Refused, end: str) -> None:
        if member.row == IDLE:
            self._barren_deaths += 1
            if self._barren_deaths > _MAX_BARREN_DEATHS:
                raise _no_workers(end)
            return
        first = member.work[0]
        suspect = (first.batch.shard, member.row)
        if verdict.reason == "timeout" or suspect in self._suspects:
            first.known[member.row] = verdict
        else:
            # Whoever killed it may have meant the process, not the image: once more.
            self._suspects.add(suspect)


def _work(connection: Connection, recipe: Recipe, progress: MutableSequence[int]) -> None:
    # Imported here, in the child: the parent has no use for NumPy and Pillow.
    from clip_prep_cli.workers.worker import main

    main(connection, recipe, progress)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _no_workers(why: str) -> CannotContinueError:
    return CannotContinueError(
        f"Worker processes die before converting anything ({why}).",
        "Try fewer --workers; `clip-prep --version` and the system log may say more.",
    )
