"""The run: lock, recover, scan, execute, manifest; and its report."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice

from clip_prep_cli.durable import storage_error
from clip_prep_cli.errors import CannotContinueError, ClipPrepError
from clip_prep_cli.execute import Execution, Watch
from clip_prep_cli.job import Job
from clip_prep_cli.lock import Lock
from clip_prep_cli.records import Failure
from clip_prep_cli.scan import Scan, Tally
from clip_prep_cli.sources import Source
from clip_prep_cli.tensorset import TensorSet
from clip_prep_cli.versions import package_versions


@dataclass(frozen=True)
class Report:
    """What a run did, or, if it was a dry run, would do."""

    job: Job
    tally: Tally
    ignored: Mapping[str, int]
    """Files that a walk passed over, by suffix or kind."""
    roots: tuple[str, ...]
    failures: tuple[Failure, ...]
    """Those of this run, in the order of their paths."""
    shards: int
    """Committed by this run."""
    seconds: float
    complete: bool
    dry_run: bool
    resize_backend: str = ""
    """What resized, if anything was."""

    @property
    def failed(self) -> int:
        """Images of the inputs that are not in the set since they cannot be converted."""
        return self.tally.failed + self.tally.failed_before

    @property
    def tensor_bytes(self) -> int:
        """The size of the rows that were made, or, if it was a dry run, would be."""
        rows = self.tally.planned if self.dry_run else self.tally.converted
        return rows * sum(layout.row_bytes for layout in self.job.settings.layouts)


def run(job: Job, watch: Watch) -> Report:
    """Convert what is new or changed, and leave the set whole, whatever happens.

    Raises:
        BusyError: another run writes to the output.
        CannotContinueError: no images, no space, a set with other settings, ...
    """
    began = time.monotonic()
    try:
        job.out.mkdir(parents=True, exist_ok=True)
        lock = Lock(job.out)
    except OSError as error:
        raise CannotContinueError(
            f"Cannot write to {job.out}: {error.strerror}.", "Take another --out."
        ) from error
    try:
        return _run(job, watch, began)
    except OSError as error:
        raise storage_error(error, job.out) from error
    finally:
        lock.release()
        with suppress(OSError):  # it stays unless it is empty
            job.out.rmdir()


def dry_run(job: Job) -> Report:
    """What `run` would do, by listing alone: no image is read, nothing is written.

    Raises:
        CannotContinueError: no images, or a set with other settings.
    """
    began = time.monotonic()
    scan = _scan(job)
    shards = sum(1 for _ in scan.shards())
    _refuse_nothing(scan)
    return Report(
        job=job,
        tally=scan.tally,
        ignored=scan.source.ignored,
        roots=scan.tensors.roots.paths,
        failures=tuple(scan.unplaced),
        shards=shards,
        seconds=time.monotonic() - began,
        complete=False,
        dry_run=True,
    )


def _run(job: Job, watch: Watch, began: float) -> Report:
    scan = _scan(job)
    tensors = scan.tensors
    groups = scan.shards()
    # One shard's samples tell whether there is anything at all, before anything is touched.
    first = list(islice(groups, 1))
    _refuse_nothing(scan)
    if job.overwrite:
        tensors.disown()
    tensors.sweep()
    tensors.generator = tensors.generator or package_versions()
    tensors.write_manifest(complete=False)
    before = tensors.next_number
    execution = Execution(job, scan, watch)
    try:
        complete = execution.run(chain(first, groups))
    except (ClipPrepError, OSError):
        with suppress(OSError):  # of a disk that is full; what stopped the run matters more
            tensors.conclude(scan.unplaced, scan.source.ignored.total(), complete=False)
        raise
    tensors.conclude(scan.unplaced, scan.source.ignored.total(), complete=complete)
    return Report(
        job=job,
        tally=scan.tally,
        ignored=scan.source.ignored,
        roots=tensors.roots.paths,
        failures=tuple(sorted([*execution.failures, *scan.unplaced])),
        shards=tensors.next_number - before,
        seconds=time.monotonic() - began,
        complete=complete,
        dry_run=False,
        resize_backend=tensors.generator.get("resize_backend", ""),
    )


def _scan(job: Job) -> Scan:
    tensors = TensorSet(job.out, job.settings, fresh=job.overwrite)
    source = Source(job.inputs, job.selection, tensors.roots)
    return Scan(source, tensors, job.retry_failed)


def _refuse_nothing(scan: Scan) -> None:
    if scan.tally.listed == 0 and not scan.unplaced:
        passed_over = ", ".join(f"{kind} {n}" for kind, n in scan.source.ignored.most_common(8))
        raise CannotContinueError(
            f"The inputs hold no images (passed over: {passed_over or 'nothing'}).",
            "Check the inputs and --include, --exclude, --hidden, --follow-links.",
        )
