"""A Dask cluster as a crew: all that is known here of `dask.distributed`."""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from clip_prep_cli.errors import CannotContinueError, ClipPrepError
from clip_prep_cli.workers.cluster.output_check import check_output
from clip_prep_cli.workers.cluster.task import Sealed, Task, TaskTerms, convert_shard
from clip_prep_cli.workers.cluster.task_engine import no_clip_prep
from clip_prep_cli.workers.cluster.version_check import (
    Difference,
    differences,
    own_versions,
    refusal,
)
from clip_prep_cli.workers.launch import signals_blocked

if TYPE_CHECKING:
    from distributed import Client, LocalCluster, Worker

_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 5
_TELL_SECONDS = 0.5
_LOGGERS = ("distributed", "tornado", "asyncio")
_LEAVING = ("closing", "closed", "failed")
_SILENT = logging.CRITICAL + 1


class Seen(NamedTuple):
    """What a worker is made of, and what is wrong with what it sees."""

    versions: Mapping[str, str]
    problem: ClipPrepError | None


class DaskCrew:
    """The workers of a scheduler: as many tasks at once as they have threads."""

    def __init__(self, client: "Client", address: str) -> None:
        self._client = client
        self._address = address
        self._executor = client.get_executor(pure=False)
        self._begun: dict[int, int] = {}
        self._slots = 0
        self._look = 0.0
        client.subscribe_topic(client.id, self._hear)

    def submit(self, task: Task) -> Future[Sealed]:
        """Have a task run on some worker."""
        future: Future[Sealed] = self._executor.submit(run_task, task, self._client.id)
        return future

    def slots(self) -> int:
        """The threads of the workers that are there, seen a moment ago."""
        if time.monotonic() >= self._look and self._client.status == "running":
            self._look = time.monotonic() + _LOOK_SECONDS
            with suppress(OSError):  # a timeout is one; `trouble` says whether it is for good
                threads = self._client.nthreads(callback_timeout=_ANSWER_SECONDS)
                self._slots = sum(threads.values())
        return self._slots

    def begun(self) -> Mapping[int, int]:
        """What the tasks tell."""
        return self._begun

    def trouble(self) -> ClipPrepError | None:
        """Whether the scheduler is gone; Dask has tried to find it again by then."""
        if self._client.status not in ("closing", "closed"):
            return None
        return CannotContinueError(
            f"Lost the Dask scheduler at {self._address}.",
            "Committed shards are kept: start a scheduler, then run the same command again.",
        )

    def check(self, terms: TaskTerms) -> None:
        """Compare the workers that are there with this process, before any has work.

        Raises:
            CannotContinueError: one has other versions, or another output, or no clip-prep.
        """
        answers: dict[str, Any] = self._client.run(look_around, terms, on_error="return")
        found: list[Difference] = []
        for worker, answer in answers.items():
            if not isinstance(answer, Seen):
                raise no_clip_prep(f"The worker {worker}", answer)
            found += differences(worker, terms.versions, answer.versions)
        if found:
            raise refusal(found)
        for answer in answers.values():
            if answer.problem:
                raise answer.problem

    def _hear(self, event: tuple[float, Any]) -> None:
        shard, rows = event[1]
        self._begun[shard] = rows


def run_task(task: Task, topic: str) -> Sealed:
    """`convert_shard` in a thread of a Dask worker, which tells the client how far it is.

    Raises:
        RuntimeError: the worker was asked to end, and the scheduler gives the task to another; or
            nobody waits for it any more.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    told = (-_TELL_SECONDS, -1)

    def tell(rows: int) -> None:
        nonlocal told
        if worker.status.name in _LEAVING:  # it would wait for us, and its owner for it
            raise RuntimeError(f"the worker {worker.address} is closing")
        if (known := worker.state.tasks.get(key)) is None or known.state == "cancelled":
            raise RuntimeError("the run has ended")
        now = time.monotonic()
        if rows == 0 or (now >= told[0] + _TELL_SECONDS and rows != told[1]):
            told = (now, rows)
            worker.log_event(topic, [task.shard, rows])

    return convert_shard(task, tell, worker.address)


def look_around(terms: TaskTerms, dask_worker: "Worker") -> Seen:
    """On a worker: what it is made of, and whether it sees the output."""
    problem = None
    try:
        check_output(terms.out, terms.mark, dask_worker.address)
    except CannotContinueError as error:
        problem = error
    return Seen(own_versions(terms.recipe.resize), problem)


@contextmanager
def dask_crew(scheduler: str | None, workers: int) -> Iterator[DaskCrew]:
    """The workers of the scheduler at an address, or of a cluster of this process's own.

    Raises:
        CannotContinueError: Dask is not installed, or the scheduler cannot be reached.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        raise CannotContinueError(
            f"--executor dask needs {error.name}, which is not installed.",
            "Install it with `pip install 'clip-prep-cli[dask]'`.",
        ) from error
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        try:
            if scheduler is not None:
                get_address_host_port(scheduler)  # a Client refuses too, but takes a minute to end
            place = stack.enter_context(_local_cluster(workers)) if scheduler is None else scheduler
            client = stack.enter_context(Client(place, set_as_default=False, name="clip-prep"))
        except (OSError, ValueError) as error:
            where = f"the Dask scheduler at {scheduler}" if scheduler else "a local Dask cluster"
            raise CannotContinueError(
                f"Cannot reach {where} ({error}).",
                "Start it with `dask scheduler`, and pass the address that it prints.",
            ) from error
        yield DaskCrew(client, scheduler or "this machine")


@contextmanager
def _local_cluster(workers: int) -> Iterator["LocalCluster"]:
    """One process, whose threads each have a worker process of ours: it is there the soonest."""
    from distributed import LocalCluster

    with ExitStack() as stack:
        with signals_blocked():  # Ctrl-C is for this process, which has the others end in order
            cluster = LocalCluster(
                n_workers=1,
                threads_per_worker=workers,
                host="127.0.0.1",
                dashboard_address=None,
                silence_logs=_SILENT,
                memory_limit=0,
            )
            stack.enter_context(cluster)
        yield cluster


@contextmanager
def _quiet() -> Iterator[None]:
    """What Dask has to log is of no use on a terminal; what matters is said in other words."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGERS]
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(distributed|dask|tornado)\b")
        for name in names:
            logging.getLogger(name).setLevel(_SILENT)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
