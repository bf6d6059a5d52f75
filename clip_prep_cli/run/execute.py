"""The middle of a run: samples to shards to an engine, and back to committed shards."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from clip_prep_cli.common.threads import Ahead
from clip_prep_cli.common.versions import Change, package_versions
from clip_prep_cli.run.job import Job
from clip_prep_cli.run.scan import Scan, Tally
from clip_prep_cli.run.sealer import Sealer
from clip_prep_cli.samples.records import Failure, Record, Sample
from clip_prep_cli.sets.tensorset import TensorSet
from clip_prep_cli.workers.batch import Converted, Outcome
from clip_prep_cli.workers.engine import Engine, Made

_SAMPLES_AHEAD = 1 << 17


class Watch(NamedTuple):
    """Who is told how far a run is and what is odd about it, and who can end it early."""

    on_progress: Callable[[Tally], None] = lambda _: None
    on_other_versions: Callable[[Sequence[Change]], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    on_waiting: Callable[[str], None] = lambda _: None
    """Told why nothing happens for a while."""


@dataclass
class _Open:
    """A shard under way: its samples, and the result of each row so far."""

    number: int
    samples: tuple[Sample, ...]
    results: dict[int, Record | Failure]

    @property
    def complete(self) -> bool:
        return len(self.results) == len(self.samples)

    def in_order(self) -> list[Record | Failure]:
        return [self.results[row] for row in range(len(self.samples))]


class Execution:
    """One pass of a job over what a scan finds."""

    def __init__(
        self, job: Job, tensors: TensorSet, scan: Scan, engine: Engine, watch: Watch
    ) -> None:
        self.failures: list[Failure] = []
        """Those of this pass, in no particular order."""
        self._job = job
        self._tensors = tensors
        self._scan = scan
        self._engine = engine
        self._watch = watch
        self._open: deque[_Open] = deque()
        self._next_number = tensors.contents.next_number
        self._roots = tensors.contents.roots
        self._introduced: dict[str, str] = {}
        self._folders = tuple(layout.folder for layout in job.settings.layouts)

    def run(self, groups: Iterable[tuple[Sample, ...]]) -> bool:
        """Convert and commit the samples of each new shard; whether it got through to the end.

        Raises:
            OSError: the output cannot be written. What was complete by then is committed.
            CannotContinueError: there is no space for a shard, workers do not start, or a store
                of inputs does not answer.
        """
        ahead = Ahead(groups, max(2, _SAMPLES_AHEAD // self._job.settings.shard_size))
        sealer = Sealer(self._tensors)
        try:
            try:
                fed = self._feed(ahead, sealer)
            except Exception:
                self._engine.stop()
                self._drain(sealer)
                raise
            self._drain(sealer)
        finally:
            self._scan.stop.cancel()
            ahead.close()
            for unfinished in self._open:
                self._give_up(unfinished)
            sealer.finish()
        if self._engine.error:
            raise self._engine.error
        return fed and self._scan.tally.scanned and not self._open

    def _feed(self, ahead: Ahead[tuple[Sample, ...]], sealer: Sealer) -> bool:
        """Begin shards, taking in whatever comes back; whether all were begun."""
        for samples in ahead:
            if self._stopping():
                return False
            if samples is None:  # the listing takes its time
                self._absorb(sealer)
                continue
            self._begin(samples)
            while not self._engine.has_room and not self._stopping():
                self._absorb(sealer)
        return True

    def _begin(self, samples: tuple[Sample, ...]) -> None:
        if self._tensors.directory.here:  # or files would be reserved in another run's set
            self._tensors.directory.check()
        sources = [self._roots.source(sample) for sample in samples]
        self._engine.begin(self._next_number, sources)
        self._open.append(_Open(self._next_number, samples, {}))
        self._next_number += 1

    def _stopping(self) -> bool:
        failed = self._job.options["fail_fast"] and self._scan.tally.failed > 0
        return failed or self._engine.error is not None or self._watch.should_stop()

    def _absorb(self, sealer: Sealer) -> None:
        """Take in what workers have done; commit the shards that are complete, in order."""
        tally = self._scan.tally
        for made in self._engine.collect():
            self._take(made)
        self._introduce()
        while self._open and self._open[0].complete:
            done = self._open.popleft()
            self._scan.release(done.number)
            sealer.put(self._engine.product(done.number), done.in_order())
        self._watch.on_progress(replace(tally, converted=tally.converted + self._engine.under_way))

    def _take(self, made: Made) -> None:
        tally = self._scan.tally
        under_way = next(each for each in self._open if each.number == made.shard)
        for row, outcome in zip(made.rows, made.outcomes, strict=True):
            result = self._result(under_way.samples[row], outcome, made.shard)
            under_way.results[row] = result
            if isinstance(result, Failure):
                self.failures.append(result)
                tally.failed += 1
            else:
                tally.converted += 1

    def _result(self, sample: Sample, outcome: Outcome, shard: int) -> Record | Failure:
        """What the set keeps of an outcome; size and time are those of the file as it was read."""
        sample = sample._replace(part=None)
        if outcome.size is not None:
            sample = sample._replace(size=outcome.size)
        if outcome.mtime_ns is not None:
            sample = sample._replace(mtime_ns=outcome.mtime_ns)
        if not isinstance(outcome, Converted):
            return Failure(sample, outcome.reason, outcome.detail, shard)
        return Record(
            sample=sample,
            xxh128=outcome.xxh128,
            format=outcome.format,
            mode=outcome.mode,
            width=outcome.width,
            height=outcome.height,
            rows=dict(zip(self._folders, outcome.rows, strict=True)),
        )

    def _introduce(self) -> None:
        if self._engine.versions and self._engine.versions != self._introduced:
            self._introduced = dict(self._engine.versions)
            if changes := self._tensors.introduce({**package_versions(), **self._introduced}):
                self._watch.on_other_versions(changes)

    def _drain(self, sealer: Sealer) -> None:
        while self._engine.busy:
            if self._stopping():
                self._engine.stop()
            self._absorb(sealer)

    def _give_up(self, unfinished: _Open) -> None:
        """Drop a shard that was stopped midway; its rows were made for nothing."""
        self._engine.give_up(unfinished.number)
        self._scan.release(unfinished.number)
        made = sum(isinstance(result, Record) for result in unfinished.results.values())
        self._scan.tally.converted -= made
