"""The run: lock, recover, scan, execute, manifest; and its report."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Event

from clip_prep_cli.common.versions import package_versions
from clip_prep_cli.errors import BusyError, CannotContinueError, ClipPrepError, StoreError
from clip_prep_cli.pixels.limits import most_bytes
from clip_prep_cli.run.engines import open_engine
from clip_prep_cli.run.execute import Execution, Watch
from clip_prep_cli.run.job import Job
from clip_prep_cli.run.scan import Scan, Tally
from clip_prep_cli.samples.records import Failure
from clip_prep_cli.samples.roots import Identity
from clip_prep_cli.sets.staging import staging
from clip_prep_cli.sets.tensorset import TensorSet, open_set
from clip_prep_cli.sources.archives.spool import Spool
from clip_prep_cli.sources.finder import gone
from clip_prep_cli.sources.inputs import Inputs, Source
from clip_prep_cli.storage.location import Location
from clip_prep_cli.storage.lock import locked


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
    pruned: int
    """Images of which the rows do not count any more, since their files are gone."""
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
        rows = self.tally.planned - self.tally.failed if self.dry_run else self.tally.converted
        return rows * sum(layout.row_bytes for layout in self.job.settings.layouts)


def run(job: Job, watch: Watch) -> Report:
    """Convert what is new or changed, and leave the set whole, whatever happens.

    Raises:
        BusyError: another run writes to the output.
        CannotContinueError: no images, no space, a set with other settings, ...
    """
    with locked(job.out, create=True) as out, staging(out, job.staging) as scratch:
        began = time.monotonic()
        tensors, scan = _scan(job, out, watch)
        tensors.scratch = scratch
        return _run(job, watch, tensors, scan, began)


def dry_run(job: Job) -> Report:
    """What `run` would do, by listing alone: no image is read, nothing is written.

    Raises:
        CannotContinueError: no images, or a set with other settings.
    """
    began = time.monotonic()
    tensors, scan = _scan(job, job.out, Watch())
    shards = sum(1 for _ in scan.shards())
    return Report(
        job=job,
        tally=scan.tally,
        ignored=scan.source.ignored,
        roots=tensors.contents.roots.paths,
        failures=tuple(scan.unplaced),
        shards=shards,
        pruned=len(_gone(job, scan)),
        seconds=time.monotonic() - began,
        complete=False,
        dry_run=True,
    )


def _run(job: Job, watch: Watch, tensors: TensorSet, scan: Scan, began: float) -> Report:
    with open_engine(job, tensors.scratch, watch.on_waiting) as engine:
        if job.options["overwrite"]:
            tensors.disown()
        tensors.generator = tensors.generator or package_versions()
        tensors.begin()
        before = tensors.contents.next_number
        execution = Execution(job, tensors, scan, engine, watch)
        spool = Spool(
            _spool_directory(job, tensors), most_bytes(job.options["max_pixels"]), scan.should_stop
        )
        try:
            with spool as scan.spool:
                complete = execution.run(scan.shards())
        except (BusyError, StoreError):  # nothing more can be written, or must be
            raise
        except (ClipPrepError, OSError):
            with suppress(OSError):  # of a disk that is full; what stopped the run matters more
                _conclude(tensors, scan, complete=False)
            raise
    deleted = _gone(job, scan) if complete else []
    tensors.contents.prune(deleted)
    for mended in scan.mended:
        tensors.contents.failures.pop(mended, None)
    _conclude(tensors, scan, complete=complete)
    return Report(
        job=job,
        tally=scan.tally,
        ignored=scan.source.ignored,
        roots=tensors.contents.roots.paths,
        failures=tuple(sorted([*execution.failures, *scan.unplaced])),
        shards=sum(number >= before for number in tensors.contents.shards),
        pruned=len(deleted),
        seconds=time.monotonic() - began,
        complete=complete,
        dry_run=False,
        resize_backend=tensors.generator.get("resize_backend", ""),
    )


def _spool_directory(job: Job, tensors: TensorSet) -> Path | None:
    """Where workers can read what this process has unpacked."""
    shared = job.runs_here or isinstance(job.out, Path)
    return tensors.scratch.absolute() if shared else None


def _conclude(tensors: TensorSet, scan: Scan, *, complete: bool) -> None:
    tensors.contents.unplaced = scan.unplaced
    tensors.contents.ignored = scan.source.ignored.total()
    tensors.conclude(complete=complete)


def _scan(job: Job, out: Location, watch: Watch) -> tuple[TensorSet, Scan]:
    """The set as it is, and the inputs, of which nothing has been read but their first image.

    Raises:
        CannotContinueError: there is no image, or the set cannot be gone on with.
    """
    if job.options["overwrite"]:
        tensors = TensorSet(out, job.settings, None)
    else:
        tensors = open_set(out, job.settings, checksums=job.options["checksum"])
    contents = tensors.contents
    cancelled = Event()

    def should_stop() -> bool:
        return cancelled.is_set() or watch.should_stop()

    listed = job.files_from.names(should_stop) if job.files_from else None
    inputs = Inputs(
        job.inputs,
        listed,
        str(job.out),
        should_stop,
        job.options["retry_for"],
        to_prune=job.options["prune"],
        on_waiting=watch.on_waiting,
    )
    source = Source(inputs, job.selection, contents.roots)
    if not job.options["retry_failed"]:
        tensors.retry_from = None
    elif tensors.retry_from is None:
        tensors.retry_from = contents.next_number
    scan = Scan(
        source,
        contents,
        job.settings.shard_size,
        tensors.retry_from or 0,
        job.options["checksum"],
        should_stop,
        cancelled,
    )
    if scan.empty and not watch.should_stop():
        passed_over = ", ".join(f"{kind} {n}" for kind, n in source.ignored.most_common(8))
        raise CannotContinueError(
            f"The inputs hold no images (passed over: {passed_over or 'nothing'}).",
            "Check the inputs and --include, --exclude, --hidden, --follow-links.",
        )
    return tensors, scan


def _gone(job: Job, scan: Scan) -> list[Identity]:
    """For --prune: the images of the set below the inputs of which the files do not exist."""
    if not job.options["prune"]:
        return []
    contents = scan.contents
    failed = (each for each in contents.failures if contents.places.get(*each) is None)
    covered = (
        identity
        for identity in chain(contents.places, failed)
        if scan.source.covers(contents.roots.join(*identity))
    )
    return list(gone(covered, contents.roots, scan.source.is_gone))
