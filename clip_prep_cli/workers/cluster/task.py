"""A shard as a task: reserved, converted and sealed by one process, wherever it runs."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from clip_prep_cli.common.versions import package_versions
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.sets.layout import Layout
from clip_prep_cli.sets.shard import Unnamed
from clip_prep_cli.sets.staging import staging
from clip_prep_cli.storage.durable import storage_error
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.workers.batch import Converted, Outcome, Recipe
from clip_prep_cli.workers.cluster.output_check import check_output
from clip_prep_cli.workers.cluster.pool_cache import Kind, pool_of
from clip_prep_cli.workers.cluster.version_check import differences, own_versions, refusal
from clip_prep_cli.workers.local import LocalEngine

_LOOK_SECONDS = 5.0


@dataclass(frozen=True)
class TaskTerms:
    """What is the same for every task of a run."""

    out: Storage
    """Absolute: the same for all."""
    staging: Path | None
    """See `staging`; on the machine of a task."""
    mark: bytes
    """By which a worker knows that it is the same; see `output_check`."""
    layouts: tuple[Layout, ...]
    recipe: Recipe
    timeout: float
    processes: int
    """That convert the images of one task."""
    versions: Mapping[str, str]


class Task(NamedTuple):
    """One shard to be made of these sources, a row each."""

    terms: TaskTerms
    shard: int
    sources: tuple[str | Part, ...]


class Sealed(NamedTuple):
    """What became of a task: its tensor files are durable, and have yet to get their names."""

    outcomes: list[Outcome]
    files: dict[str, Unnamed]
    """By the name that each is to get, below the set's directory."""
    versions: Mapping[str, str]
    worker: str


def convert_shard(
    task: Task, tell: Callable[[int], object] = lambda _: None, worker: str = ""
) -> Sealed:
    """Make a shard; `tell` hears how many rows are done. A file that kills costs that file.

    It never touches a file under a final name: a worker that was given up for dead, and is not,
    does no harm.

    Raises:
        CannotContinueError: this process has other versions or another output than the run, or
            there is no space.
    """
    terms, worker = task.terms, worker or f"{socket.gethostname()}, process {os.getpid()}"
    if found := differences(worker, terms.versions, own_versions(terms.recipe.resize)):
        raise refusal(found)
    check_output(terms.out, terms.mark, worker)
    tell(0)
    with (
        pool_of(Kind(terms.processes, terms.recipe, terms.timeout)) as pool,
        staging(terms.out, terms.staging) as scratch,
    ):
        # Neither a process id nor a host's name is unique on a cluster.
        engine = LocalEngine(pool, scratch, terms.layouts, secrets.randbits(64))
        engine.begin(task.shard, task.sources)
        product = engine.product(task.shard)
        try:
            outcomes = _convert(engine, task, worker, tell)
            kept = [row for row, each in enumerate(outcomes) if isinstance(each, Converted)]
            files = product.shard.hand_over(kept, terms.out)
        except OSError as error:
            raise storage_error(error, scratch) from error
        finally:
            product.discard()
        return Sealed(outcomes, files, {**package_versions(), **engine.versions}, worker)


def _convert(
    engine: LocalEngine, task: Task, worker: str, tell: Callable[[int], object]
) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    look = time.monotonic() + _LOOK_SECONDS
    while engine.busy:
        for made in engine.collect():
            outcomes.update(zip(made.rows, made.outcomes, strict=True))
        if engine.error:
            raise engine.error
        tell(len(outcomes))
        if time.monotonic() > look:  # nobody needs the shard any more if the run has ended
            check_output(task.terms.out, task.terms.mark, worker)
            look = time.monotonic() + _LOOK_SECONDS
    return [outcomes[row] for row in range(len(task.sources))]
