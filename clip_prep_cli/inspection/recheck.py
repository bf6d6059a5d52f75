"""Make rows anew from their source files, by Pillow alone, and compare."""

import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT, most_bytes
from clip_prep_cli.samples import grouping
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.samples.records import Record
from clip_prep_cli.samples.roots import joined
from clip_prep_cli.sets.manifest import Manifest, ShardEntry
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.sets.stored import RowNumber, StoredRows
from clip_prep_cli.sources.checksum import file_xxh128, part_xxh128
from clip_prep_cli.sources.find_again import FoundSource, find
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.workers.batch import Batch, Converted, Outcome, Recipe, RowNotWrittenError
from clip_prep_cli.workers.pool import WorkerPool


class Wrong(NamedTuple):
    """A row that is not what its source, which has not changed, gives."""

    shard: int
    row: int
    folder: str
    """Of the transform."""
    path: str
    detail: str


@dataclass
class SourceCheck:
    """What became of the rows that were made anew; paths are absolute."""

    equal: int = 0
    changed: list[str] = field(default_factory=list)
    """The source has other content than what was converted; nothing can be said of the row."""
    unmade: list[str] = field(default_factory=list)
    """It took too long now, or cost its worker its life."""
    gone: list[str] = field(default_factory=list)
    """The source is not there any more, or cannot be read."""
    wrong: list[Wrong] = field(default_factory=list)

    @property
    def checked(self) -> int:
        """How many rows were to be made anew."""
        compared = self.equal + len({(wrong.shard, wrong.row) for wrong in self.wrong})
        return compared + len(self.changed) + len(self.gone) + len(self.unmade)


def choose(shards: Iterable[ShardEntry], count: int) -> dict[int, list[int]]:
    """At most `count` of the live rows at random: the rows, ascending, by shard."""
    live = [
        (entry.number, row)
        for entry in shards
        for row in range(entry.samples)
        if row not in entry.superseded
    ]
    chosen: dict[int, list[int]] = {}
    for number, row in sorted(random.sample(live, min(count, len(live)))):
        chosen.setdefault(number, []).append(row)
    return chosen


def recheck(
    directory: Storage,
    manifest: Manifest,
    chosen: Mapping[int, Sequence[int]],
    workers: int,
    on_rows: Callable[[int], None],
) -> SourceCheck:
    """Make the chosen rows anew in `workers` processes; `on_rows` is told of how many are done.

    Raises:
        DamagedError: an index is not as it was written.
        OSError: an index cannot be read.
        CannotContinueError: workers do not start.
    """
    stored = StoredRows(directory)
    places = [RowNumber(number, row) for number, rows in chosen.items() for row in rows]
    records = (stored.record(*place) for place in places)
    largest = max((record.width * record.height for record in records), default=0)
    # A source that has changed since may be anything.
    recipe = _recipe(manifest.settings, max(largest, DEFAULT_MAX_PIXELS))
    wanted = ((place, stored.record(*place).sample) for place in places)
    with WorkerPool(workers, recipe, DEFAULT_TIMEOUT) as pool:
        folders = tuple(layout.folder for layout in manifest.settings.layouts)
        rechecking = _Recheck(stored, manifest.roots, folders, pool, on_rows)
        for some in find(manifest.roots, wanted, most_bytes(recipe.max_pixels)):
            rechecking.feed(some.found)
            if some.passing:
                rechecking.drain()
        rechecking.drain()
    return rechecking.check


def _recipe(settings: SetSettings, max_pixels: int) -> Recipe:
    """What made the set's rows, by Pillow alone."""
    return Recipe(
        transforms=settings.transforms,
        reference=settings.reference,
        dtype=settings.dtype,
        exif=settings.exif,
        max_pixels=max_pixels,
        resize="pillow",
        jpeg="pillow",
    )


@dataclass
class _Recheck:
    """Rows on their way through the workers, and what became of those that came back."""

    stored: StoredRows
    roots: Sequence[str]
    folders: Sequence[str]
    pool: WorkerPool
    on_rows: Callable[[int], None]
    check: SourceCheck = field(default_factory=SourceCheck)

    def feed(self, found: Iterable[FoundSource[RowNumber]]) -> None:
        for number, of_shard in groupby(found, lambda each: each.key.shard):
            for some in grouping.shards(of_shard, grouping.MAX_BATCH):
                there = {each.key.row: each.source for each in some if each.source is not None}
                for each in some:
                    if each.source is None:
                        self.check.gone.append(self._name(self.stored.record(*each.key)))
                self.on_rows(len(some) - len(there))
                while not self.pool.has_room():
                    self._absorb()
                if there:
                    self.pool.submit(Batch(number, tuple(there), tuple(there.values()), ()))

    def drain(self) -> None:
        while self.pool.busy:
            self._absorb()

    def _absorb(self) -> None:
        for batch, outcomes in self.pool.collect():
            if isinstance(outcomes, RowNotWrittenError):
                raise outcomes.error
            if isinstance(outcomes, CannotContinueError):
                raise outcomes
            for row, source, outcome in zip(batch.rows, batch.sources, outcomes, strict=True):
                self._compare(RowNumber(batch.shard, row), source, outcome)
            self.on_rows(len(batch.rows))

    def _compare(self, place: RowNumber, source: str | Part, outcome: Outcome) -> None:
        """Put one row into its class."""
        record, check = self.stored.record(*place), self.check
        if isinstance(outcome, Converted):
            content = outcome.xxh128
            rows = zip(self.folders, outcome.rows, strict=True)
            folders = [folder for folder, digest in rows if digest != record.rows[folder]]
            detail = "does not match the row recomputed from its source"
        elif outcome.reason == "unreadable":
            check.gone.append(self._name(record))
            return
        elif outcome.reason in ("timeout", "worker_died"):
            check.unmade.append(self._name(record))
            return
        else:
            content = f"{_xxh128(source):032x}"
            folders = list(record.rows)
            detail = f"its source now fails: {outcome.reason}: {outcome.detail}"
        if content != record.xxh128:
            check.changed.append(self._name(record))
            return
        path = record.sample.path
        check.wrong += [Wrong(place.shard, place.row, each, path, detail) for each in folders]
        check.equal += not folders

    def _name(self, record: Record) -> str:
        return joined(self.roots[record.sample.root], record.sample.path)


def _xxh128(source: str | Part) -> int:
    return file_xxh128(source, sys.maxsize) if isinstance(source, str) else part_xxh128(source)
