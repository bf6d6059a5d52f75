"""The run: lock, recover, scan, execute, manifest; and its report."""

import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import chain

from clip_prep_cli.errors import (
    BusyError,
    CannotContinueError,
    ClipPrepError,
    OutputLostError,
    StoreError,
)
from clip_prep_cli.pixels.limits import most_bytes
from clip_prep_cli.run.engines import open_engine
from clip_prep_cli.run.execute import Execution, Watch
from clip_prep_cli.run.job import Job
from clip_prep_cli.run.scan import Scan, Stop, Tally
from clip_prep_cli.samples.records import Failure
from clip_prep_cli.samples.roots import Identity
from clip_prep_cli.sets.names import LOCK, sources_file
from clip_prep_cli.sets.staging import staging
from clip_prep_cli.sets.tensorset import TensorSet, open_set
from clip_prep_cli.sources.archives.spool import Spool
from clip_prep_cli.sources.files import Waiting
from clip_prep_cli.sources.find_again import gone
from clip_prep_cli.sources.inputs import InputSamples
from clip_prep_cli.sources.scope import InputRequest
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.wrappers import Pretending


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
    with job.out.locked(LOCK, create=True) as out, staging(out, job.staging) as scratch:
        began = time.monotonic()
        stop = Stop(watch.should_stop)
        # Workers of other machines can read what is unpacked here only on a disk that all share.
        readable = scratch.absolute() if job.runs_here or job.out.here else None
        spool = Spool(readable, most_bytes(job.options["max_pixels"]), stop, sources_file)
        tensors = _open(job, out)
        scan = _scan(job, tensors, watch, stop, spool)
        with open_engine(job, out, scratch, watch.on_waiting) as engine:
            if job.options["overwrite"]:
                tensors.disown()
            tensors.begin()
            before = tensors.contents.next_number
            execution = Execution(job, tensors, scan, engine, watch)
            complete = _execute(execution, tensors, scan)
        deleted = _gone(job, scan) if complete else []
        tensors.contents.prune(deleted)
        tensors.contents.forgive(scan.mended)
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


def dry_run(job: Job) -> Report:
    """What `run` would do, by listing alone: no image is read, nothing is written.

    Raises:
        CannotContinueError: no images, or a set with other settings.
    """
    began = time.monotonic()
    tensors = _open(job, Pretending(job.out))
    scan = _scan(job, tensors, Watch(), Stop(lambda: False))
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


def _execute(execution: Execution, tensors: TensorSet, scan: Scan) -> bool:
    """Make the new shards; whether it got through. If it cannot, the set says so."""
    try:
        with scan.spool or nullcontext():
            return execution.run(scan.shards())
    except (BusyError, OutputLostError, StoreError):  # nothing more can be written, or must be
        raise
    except (ClipPrepError, OSError):
        with suppress(OSError):  # of a disk that is full; what stopped the run matters more
            _conclude(tensors, scan, complete=False)
        raise


def _conclude(tensors: TensorSet, scan: Scan, *, complete: bool) -> None:
    tensors.contents.end_scan(scan.unplaced, scan.source.ignored.total())
    tensors.conclude(complete=complete)


def _open(job: Job, out: Storage) -> TensorSet:
    """The set as it is, or a new one.

    Raises:
        CannotContinueError: the set cannot be continued.
    """
    if job.options["overwrite"]:
        return TensorSet(out, job.settings)
    return open_set(out, job.settings, checksums=job.options["checksum"])


def _scan(
    job: Job, tensors: TensorSet, watch: Watch, stop: Stop, spool: Spool | None = None
) -> Scan:
    """The inputs, of which nothing has been read but their first image.

    Raises:
        CannotContinueError: there is no image.
    """
    contents = tensors.contents
    request = InputRequest(
        named=job.inputs,
        listed=job.files_from.names(stop) if job.files_from else None,
        avoid=str(job.out),
        waiting=Waiting(job.options["retry_for"], stop),
        to_prune=job.options["prune"],
        on_waiting=watch.on_waiting,
    )
    source = InputSamples(request, job.selection, contents.roots)
    scan = Scan(
        source=source,
        contents=contents,
        shard_size=job.settings.shard_size,
        stop=stop,
        retry_before=tensors.retry(failed=job.options["retry_failed"]),
        checksum=job.options["checksum"],
        spool=spool,
    )
    if scan.empty and not watch.should_stop():
        passed_over = ", ".join(f"{kind} {n}" for kind, n in source.ignored.most_common(8))
        raise CannotContinueError(
            f"The inputs contain no images (skipped: {passed_over or 'nothing'}).",
            "Check the inputs, --include, --exclude, --hidden and --follow-links.",
        )
    return scan


def _gone(job: Job, scan: Scan) -> list[Identity]:
    """For --prune: the images of the set below the inputs of which the files do not exist."""
    if not job.options["prune"]:
        return []
    contents = scan.contents
    failed = (each for each in contents.failures if contents.live.get(*each) is None)
    covered = (
        identity
        for identity in chain(contents.live, failed)
        if scan.source.covers(contents.roots.join(*identity))
    )
    return list(gone(covered, contents.roots, scan.source.is_gone))
