"""Which engine a job is for."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clip_prep_cli.run.job import Job
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.workers.batch import Recipe
from clip_prep_cli.workers.engine import Engine
from clip_prep_cli.workers.local import LocalEngine
from clip_prep_cli.workers.pool import WorkerPool

if TYPE_CHECKING:
    from clip_prep_cli.workers.cluster.task import TaskTerms
    from clip_prep_cli.workers.cluster.task_engine import Crew


@contextmanager
def open_engine(
    job: Job, out: Storage, scratch: Path, say: Callable[[str], None]
) -> Iterator[Engine]:
    """What makes the shards of a job; `say` hears why nothing happens.

    `out` is the job's output, locked, and `scratch` is where tensor files are made on this machine.

    Raises:
        CannotContinueError: the workers that it is to use cannot be reached, or would make other
            rows.
    """
    options = job.options
    recipe = Recipe(
        transforms=job.settings.transforms,
        reference=job.settings.reference,
        dtype=job.settings.dtype,
        exif=job.settings.exif,
        max_pixels=options["max_pixels"],
        resize=options["resize"],
        patience=options["retry_for"],
    )
    if options["executor"] == "local":
        with WorkerPool(job.workers, recipe, options["timeout"]) as pool:
            yield LocalEngine(pool, scratch, job.settings.layouts)
        return
    # Imported here: a run on this machine alone has no use for it.
    from clip_prep_cli.workers.cluster.output_check import clear_up, mark_of
    from clip_prep_cli.workers.cluster.task import TaskTerms
    from clip_prep_cli.workers.cluster.task_engine import TaskEngine
    from clip_prep_cli.workers.cluster.version_check import own_versions

    terms = TaskTerms(
        out=job.out.absolute(),
        mark=mark_of(out),
        staging=job.staging,
        layouts=job.settings.layouts,
        recipe=recipe,
        timeout=options["timeout"],
        # Dask's own cluster here has a thread, and so a task, for each worker.
        processes=1 if job.runs_here else job.workers,
        versions=own_versions(options["resize"]),
    )
    with _crew(job, terms) as crew:
        try:
            yield TaskEngine(crew, terms, say)
        finally:
            clear_up(out)


@contextmanager
def _crew(job: Job, terms: "TaskTerms") -> Iterator["Crew"]:
    from clip_prep_cli.workers.cluster.dask_crew import dask_crew
    from clip_prep_cli.workers.cluster.pool_cache import end_idle_pools
    from clip_prep_cli.workers.cluster.task_engine import ExecutorCrew

    executor = job.options["executor"]
    if isinstance(executor, Executor):
        yield ExecutorCrew(executor, job.options["slots"])
        end_idle_pools()  # of an executor that is threads of this process
    else:
        with dask_crew(job.options["scheduler"], job.workers) as crew:
            crew.check(terms)
            yield crew
