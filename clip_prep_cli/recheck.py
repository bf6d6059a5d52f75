"""Make rows anew from their source files, by Pillow alone, and compare."""

import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from clip_prep_cli import plan
from clip_prep_cli.batch import Batch, Converted, Outcome, Recipe, RowNotWrittenError
from clip_prep_cli.checksum import file_xxh128
from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.location import Location
from clip_prep_cli.manifest import Manifest, ShardEntry
from clip_prep_cli.pool import WorkerPool
from clip_prep_cli.records import Record
from clip_prep_cli.roots import join
from clip_prep_cli.stored import StoredRows


class Wrong(NamedTuple):
    """A row that is not what its source, which has not changed, gives."""

    shard: int
    row: int
    folder: str
    """Of which resolution."""
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
        compared = self.equal + len({wrong[:2] for wrong in self.wrong})
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
    directory: Location,
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
    largest = max(
        (
            record.width * record.height
            for number, rows in chosen.items()
            for record in (stored.record(number, row) for row in rows)
        ),
        default=0,
    )
    settings = manifest.settings
    recipe = Recipe(
        settings.resolutions,
        settings.dtype,
        settings.exif,
        # A source that has changed since may be anything.
        max_pixels=max(largest, DEFAULT_MAX_PIXELS),
        resize="pillow",
        jpeg="pillow",
    )
    check = SourceCheck()

    def absorb() -> None:
        for batch, outcomes in pool.collect():
            if isinstance(outcomes, RowNotWrittenError):
                raise outcomes.error
            if isinstance(outcomes, CannotContinueError):
                raise outcomes
            for row, source, outcome in zip(batch.rows, batch.sources, outcomes, strict=True):
                _compare(
                    check, (batch.shard, row), stored.record(batch.shard, row), source, outcome
                )
            on_rows(len(batch.rows))

    with WorkerPool(workers, recipe, DEFAULT_TIMEOUT) as pool:
        for number, rows in chosen.items():
            for some in plan.shards(rows, plan.MAX_BATCH):
                samples = [stored.record(number, row).sample for row in some]
                sources = tuple(join(manifest.roots[each.root], each.path) for each in samples)
                while not pool.has_room():
                    absorb()
                pool.submit(Batch(number, some, sources, ()))
        while pool.busy:
            absorb()
    return check


def _compare(
    check: SourceCheck, place: tuple[int, int], record: Record, source: str, outcome: Outcome
) -> None:
    """Put one row into its class."""
    if isinstance(outcome, Converted):
        if outcome.xxh128 != record.xxh128:
            check.changed.append(source)
            return
        folders = [name for name, digest in outcome.rows.items() if digest != record.rows[name]]
        detail = "is not what its source gives"
    elif outcome.reason == "unreadable":
        check.gone.append(source)
        return
    elif outcome.reason in ("timeout", "worker_died"):
        check.unmade.append(source)
        return
    elif f"{file_xxh128(source, sys.maxsize):032x}" != record.xxh128:
        check.changed.append(source)
        return
    else:
        folders = list(record.rows)
        detail = f"its source gives {outcome.reason}: {outcome.detail}"
    check.wrong += [Wrong(*place, folder, record.sample.path, detail) for folder in folders]
    check.equal += not folders
