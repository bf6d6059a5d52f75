"""The middle of a run: shards to batches to workers, and back to committed shards."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from clip_prep_cli import plan
from clip_prep_cli.ahead import Ahead
from clip_prep_cli.batch import Batch, Converted, Outcome, Recipe, RowNotWrittenError
from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.job import Job
from clip_prep_cli.pool import WorkerPool
from clip_prep_cli.records import Failure, Record, Sample
from clip_prep_cli.scan import Scan, Tally
from clip_prep_cli.sealer import Sealer
from clip_prep_cli.shards import Shard
from clip_prep_cli.tensorset import TensorSet
from clip_prep_cli.versions import Change, package_versions

_SAMPLES_AHEAD = 1 << 17


class Watch(NamedTuple):
    """Who is told how far a run is and what is odd about it, and who can end it early."""

    on_progress: Callable[[Tally], None] = lambda _: None
    on_other_versions: Callable[[Sequence[Change]], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass
class _Open:
    """A shard under way: its samples, and the result of each row so far."""

    shard: Shard
    samples: tuple[Sample, ...]
    results: dict[int, Record | Failure]

    @property
    def complete(self) -> bool:
        return len(self.results) == len(self.samples)

    def in_order(self) -> list[Record | Failure]:
        return [self.results[row] for row in range(len(self.samples))]


class Execution:
    """One pass of a job over what a scan finds."""

    def __init__(self, job: Job, tensors: TensorSet, scan: Scan, watch: Watch) -> None:
        self.failures: list[Failure] = []
        """Those of this pass, in no particular order."""
        self._job = job
        self._tensors = tensors
        self._scan = scan
        self._watch = watch
        self._open: deque[_Open] = deque()
        self._error: OSError | CannotContinueError | None = None
        self._next_number = tensors.contents.next_number
        self._roots = tensors.contents.roots
        self._introduced = False

    def run(self, groups: Iterable[tuple[Sample, ...]]) -> bool:
        """Convert and commit the samples of each new shard; whether it got through to the end.

        Raises:
            OSError: the output cannot be written. What was complete by then is committed.
            CannotContinueError: there is no space for a shard, workers do not start, or a store
                of inputs does not answer.
        """
        job = self._job
        recipe = Recipe(
            job.settings.resolutions,
            job.settings.dtype,
            job.settings.exif,
            job.max_pixels,
            job.resize,
            patience=job.retry_for,
        )
        ahead = Ahead(groups, max(2, _SAMPLES_AHEAD // job.settings.shard_size))
        sealer = Sealer(self._tensors)
        try:
            with WorkerPool(job.workers, recipe, job.timeout) as pool:
                try:
                    fed = self._feed(ahead, pool, sealer)
                except Exception:
                    pool.hurry()
                    self._drain(pool, sealer)
                    raise
                self._drain(pool, sealer)
        finally:
            self._scan.cancelled.set()
            ahead.close()
            for unfinished in self._open:
                self._give_up(unfinished)
            sealer.finish()
        if self._error:
            raise self._error
        return fed and self._scan.tally.scanned and not self._open

    def _feed(self, ahead: Ahead[tuple[Sample, ...]], pool: WorkerPool, sealer: Sealer) -> bool:
        """Hand out batches, taking in whatever comes back; whether all were handed out."""
        for samples in ahead:
            if samples is None:  # the listing takes its time
                self._absorb(pool, sealer)
                if self._stopping():
                    return False
                continue
            shard = Shard(
                self._tensors.scratch, self._next_number, len(samples), self._job.settings.layouts
            )
            self._next_number += 1
            self._open.append(_Open(shard, samples, {}))
            for rows in plan.batches(len(samples), self._job.workers):
                while not pool.has_room():
                    self._absorb(pool, sealer)
                if self._stopping():
                    return False
                pool.submit(self._batch(shard, samples, rows))
        return True

    def _batch(self, shard: Shard, samples: tuple[Sample, ...], rows: range) -> Batch:
        sources = (self._roots.source(samples[row]) for row in rows)
        return Batch(shard.number, tuple(rows), tuple(sources), shard.targets())

    def _stopping(self) -> bool:
        failed = self._job.fail_fast and self._scan.tally.failed > 0
        return failed or self._error is not None or self._watch.should_stop()

    def _absorb(self, pool: WorkerPool, sealer: Sealer) -> None:
        """Take in what workers have done; commit the shards that are complete, in order."""
        tally = self._scan.tally
        if self._stopping():
            pool.hurry()
        for batch, outcomes in pool.collect():
            if isinstance(outcomes, RowNotWrittenError):
                self._error = outcomes.error
            elif isinstance(outcomes, CannotContinueError):
                if not self._stopping():  # else it has been hurried
                    self._error = outcomes
            else:
                self._take(batch, outcomes)
        if pool.versions and not self._introduced:
            self._introduced = True
            if changes := self._tensors.introduce({**package_versions(), **pool.versions}):
                self._watch.on_other_versions(changes)
        while self._open and self._open[0].complete:
            done = self._open.popleft()
            self._scan.release(done.shard.number)
            sealer.put(done.shard, done.in_order())
        self._watch.on_progress(tally)

    def _take(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Note what became of the rows of a batch."""
        under_way = next(each for each in self._open if each.shard.number == batch.shard)
        for row, outcome in zip(batch.rows, outcomes, strict=True):
            result = _result(under_way.samples[row], outcome, batch.shard)
            under_way.results[row] = result
            if isinstance(result, Failure):
                self.failures.append(result)
                self._scan.tally.failed += 1
            else:
                self._scan.tally.converted += 1

    def _drain(self, pool: WorkerPool, sealer: Sealer) -> None:
        while pool.busy:
            self._absorb(pool, sealer)

    def _give_up(self, unfinished: _Open) -> None:
        """Drop a shard that was stopped midway; its rows were made for nothing."""
        unfinished.shard.discard()
        self._scan.release(unfinished.shard.number)
        made = sum(isinstance(result, Record) for result in unfinished.results.values())
        self._scan.tally.converted -= made


def _result(sample: Sample, outcome: Outcome, shard: int) -> Record | Failure:
    """What the set keeps of an outcome; size and time are those of the file as it was read."""
    sample = sample._replace(part=None)
    if outcome.size is not None:
        sample = sample._replace(size=outcome.size)
    if outcome.mtime_ns is not None:
        sample = sample._replace(mtime_ns=outcome.mtime_ns)
    if isinstance(outcome, Converted):
        return Record(sample, *outcome[2:])
    return Failure(sample, outcome.reason, outcome.detail, shard)
