"""Shards made by tasks of any `concurrent.futures.Executor`, and committed here."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from typing import NamedTuple, Protocol

from clip_prep_cli.errors import CannotContinueError, ClipPrepError
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.samples.records import Failure, Record
from clip_prep_cli.sets.shard import Unnamed
from clip_prep_cli.sets.tensorset import TensorSet
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.workers.batch import Refused
from clip_prep_cli.workers.cluster.task import Sealed, Task, TaskTerms, convert_shard
from clip_prep_cli.workers.cluster.version_check import merged
from clip_prep_cli.workers.engine import Made

_TASKS_PER_SLOT = 2  # one under way, one waiting, so that no worker waits for this process
_MAX_TRIES = 4
_POLL_SECONDS = 0.5
_FINAL = (ClipPrepError, BrokenExecutor, ImportError, AttributeError)
"""What another try does not mend."""


class Crew(Protocol):
    """Those who run tasks."""

    def submit(self, task: Task) -> Future[Sealed]:
        """Have a task run."""

    def slots(self) -> int:
        """How many tasks can run at once, now."""

    def begun(self) -> Mapping[int, int]:
        """Shards of which a task is known to run or to have run, and how many rows are done."""

    def trouble(self) -> ClipPrepError | None:
        """Why no task can run any more, nor any come back."""


class ExecutorCrew:
    """Any executor, of which no more is known than that it is one."""

    def __init__(self, executor: Executor, slots: int) -> None:
        self._executor = executor
        self._slots = slots

    def submit(self, task: Task) -> Future[Sealed]:
        """Have a task run."""
        return self._executor.submit(convert_shard, task)

    def slots(self) -> int:
        """As many as it was said to have."""
        return self._slots

    def begun(self) -> Mapping[int, int]:
        """Unknown; but an executor does not cancel what runs."""
        return {}

    def trouble(self) -> None:
        """None is known; an executor that is broken says so when it gets a task."""


class Delivered(NamedTuple):
    """A shard whose tensors are durable, but for their names."""

    out: Storage
    shard: int
    files: Mapping[str, Unnamed]

    def commit(self, tensors: TensorSet, results: Sequence[Record | Failure]) -> None:
        """Give the files their names; see `TensorSet.commit_sealed`."""
        for name, file in self.files.items():
            tensors.directory.rename(file.partial, name)
        sums = {name: file.sum for name, file in self.files.items()}
        tensors.commit_sealed(self.shard, sums, results)

    def discard(self) -> None:
        """Remove what has not got its name."""
        with suppress(OSError, ClipPrepError):  # the next run removes it
            self.out.remove([file.partial for file in self.files.values()])


class UnseenInputError(Exception):
    """A worker could not open an image that can be opened here."""

    def __init__(self, worker: str, path: str) -> None:
        super().__init__(worker, path)
        self.worker = worker
        self.path = path


class _Flight(NamedTuple):
    """A task on its way, for so many times."""

    task: Task
    future: Future[Sealed]
    tries: int


class TaskEngine:
    """Keeps a crew busy; tasks that get lost are sent again."""

    def __init__(self, crew: Crew, terms: TaskTerms, say: Callable[[str], None]) -> None:
        """`say` hears why nothing happens."""
        self.versions: dict[str, str] = {}
        self.error: Exception | None = None
        self._crew = crew
        self._terms = terms
        self._say = say
        self._flights: dict[int, _Flight] = {}
        self._products: dict[int, Delivered] = {}
        self._told = False
        self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether any task has not come back yet."""
        return bool(self._flights)

    @property
    def has_room(self) -> bool:
        """Whether a worker may be short of work."""
        return len(self._flights) < _TASKS_PER_SLOT * self._crew.slots()

    @property
    def under_way(self) -> int:
        """Rows that are done in shards that have not come back."""
        begun = self._crew.begun()
        return sum(begun.get(shard, 0) for shard in self._flights)

    def begin(self, shard: int, sources: Sequence[str | Part]) -> None:
        """Send a task."""
        self._send(Task(self._terms, shard, tuple(sources)), 1)

    def collect(self) -> list[Made]:
        """What has come back; waits a moment if nothing has."""
        if trouble := self._crew.trouble():
            self._fail(trouble)
            self._flights.clear()
            return []
        self._tell_if_nobody_works()
        futures = {flight.future: flight for flight in self._flights.values()}
        if not futures:
            time.sleep(_POLL_SECONDS)
        made = []
        for future in wait(futures, _POLL_SECONDS, FIRST_COMPLETED).done:
            flight = futures[future]
            del self._flights[flight.task.shard]
            try:
                made.append(self._take(flight, future.result()))
            except Exception as error:  # noqa: BLE001 - executors raise whatever they like
                self._send_again(flight, error)
        return made

    def stop(self) -> None:
        """Call back what is not known to run, or all if there is nobody who could run it."""
        self._stopped = True
        begun = self._crew.begun() if self._crew.slots() else {}
        for shard, flight in list(self._flights.items()):
            if shard not in begun and flight.future.cancel():
                del self._flights[shard]

    def product(self, shard: int) -> Delivered:
        """The shard, to be named."""
        return self._products.pop(shard)

    def give_up(self, shard: int) -> None:
        """Remove it, if it has come back."""
        if shard in self._products:
            self._products.pop(shard).discard()

    def _send(self, task: Task, tries: int) -> None:
        try:
            self._flights[task.shard] = _Flight(task, self._crew.submit(task), tries)
        except Exception as error:  # noqa: BLE001 - executors raise whatever they like
            self._fail(_cannot_run(task, error))

    def _send_again(self, flight: _Flight, error: Exception) -> None:
        if self.error or isinstance(error, _FINAL) or flight.tries == _MAX_TRIES:
            self._fail(_cannot_run(flight.task, error))
        elif not self._stopped:
            self._send(flight.task, flight.tries + 1)

    def _fail(self, error: ClipPrepError) -> None:
        """Give up; if the crew is in trouble, tasks only show it."""
        self.error = self.error or self._crew.trouble() or error

    def _take(self, flight: _Flight, sealed: Sealed) -> Made:
        task = flight.task
        product = Delivered(self._terms.out, task.shard, sealed.files)
        try:
            _check_inputs(task, sealed)
        except UnseenInputError:
            product.discard()
            raise
        self._products[task.shard] = product
        self.versions = merged(self.versions, sealed.versions)
        return Made(task.shard, range(len(task.sources)), sealed.outcomes)

    def _tell_if_nobody_works(self) -> None:
        nobody = self._crew.slots() == 0
        if nobody and not self._told:
            self._say("No workers are available; waiting for one.")
        self._told = nobody


def _check_inputs(task: Task, sealed: Sealed) -> None:
    """Refuse what only that worker could not read: a disk that is not mounted there, say."""
    for source, outcome in zip(task.sources, sealed.outcomes, strict=True):
        path = source.file if isinstance(source, Part) else source
        if (
            isinstance(outcome, Refused)
            and outcome.reason == "unreadable"
            and os.path.isfile(path)
            and os.access(path, os.R_OK)
        ):
            raise UnseenInputError(sealed.worker, path)


def _cannot_run(task: Task, error: Exception) -> ClipPrepError:
    if isinstance(error, ClipPrepError):
        return error
    if isinstance(error, UnseenInputError):
        return CannotContinueError(
            f"The worker {error.worker} cannot read {error.path}, but this process can.",
            "All workers need to read the inputs at the same paths as this process.",
        )
    if isinstance(error, ImportError | AttributeError):
        return no_clip_prep("A worker", error)
    reason = in_a_line(error)
    return CannotContinueError(
        f"The executor failed to make shard {task.shard} ({reason}).",
        "The workers' logs may say more. Run the same command again to continue.",
    )


def no_clip_prep(worker: str, error: Exception) -> CannotContinueError:
    """The refusal to work with a worker that does not know what to do."""
    return CannotContinueError(
        f"{worker} cannot run clip-prep ({in_a_line(error)}).",
        "Install the same clip-prep-cli on all workers and on the scheduler.",
    )


def in_a_line(error: Exception) -> str:
    """An error in a line; Dask makes an Exception with the text of what cannot be sent."""
    text = str(error) if type(error) is Exception else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0]
