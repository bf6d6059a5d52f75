"""Shards made on this machine: batches over a pool of worker processes, rows into one file."""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.samples import grouping
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.samples.records import Failure, Record
from clip_prep_cli.sets.layout import Layout
from clip_prep_cli.sets.shard import Shard
from clip_prep_cli.sets.tensorset import TensorSet
from clip_prep_cli.workers.batch import Batch, RowNotWrittenError
from clip_prep_cli.workers.engine import Made
from clip_prep_cli.workers.pool import WorkerPool


class Reserved(NamedTuple):
    """A shard whose files are reserved, and filled, by this process and its workers."""

    shard: Shard

    def commit(self, tensors: TensorSet, results: Sequence[Record | Failure]) -> None:
        """Seal it; see `TensorSet.commit`."""
        tensors.commit(self.shard, results)

    def discard(self) -> None:
        """Give back what was not sealed."""
        self.shard.discard()


class LocalEngine:
    """Feeds a pool; what is begun is reserved at once."""

    under_way = 0

    def __init__(
        self, pool: WorkerPool, directory: Path, layouts: Sequence[Layout], token: int | None = None
    ) -> None:
        """`token` is in the names of partial files; see `Shard`."""
        self.error: Exception | None = None
        self._stopped = False
        self._pool = pool
        self._directory = directory
        self._layouts = layouts
        self._token = token
        self._waiting: deque[Batch] = deque()
        self._shards: dict[int, Shard] = {}

    @property
    def versions(self) -> Mapping[str, str]:
        """See `WorkerPool`."""
        return self._pool.versions

    @property
    def busy(self) -> bool:
        """Whether any batch has not come back yet."""
        return bool(self._waiting) or self._pool.busy

    @property
    def has_room(self) -> bool:
        """Whether every batch is with a worker."""
        return not self._waiting

    def begin(self, shard: int, sources: Sequence[str | Part]) -> None:
        """Reserve a shard, and queue its batches; see `Engine`."""
        reserved = Shard(self._directory, shard, len(sources), self._layouts, self._token)
        self._shards[shard] = reserved
        targets = reserved.targets()
        for rows in grouping.batches(len(sources), self._pool.count):
            of_rows = tuple(sources[row] for row in rows)
            self._waiting.append(Batch(shard, tuple(rows), of_rows, targets))

    def collect(self) -> list[Made]:
        """Hand out batches while there is room for them; what has come back, as `Engine` has it."""
        while self._waiting and self._pool.has_room():
            self._pool.submit(self._waiting.popleft())
        made = []
        for batch, outcomes in self._pool.collect():
            if isinstance(outcomes, RowNotWrittenError):
                self.error = outcomes.error
            elif isinstance(outcomes, CannotContinueError):
                if not self._stopped:  # else it was told to wait for a store no more
                    self.error = outcomes
            else:
                made.append(Made(batch.shard, batch.rows, outcomes))
        return made

    def stop(self) -> None:
        """Hand out no more batches, and wait no more for what comes over a network."""
        self._stopped = True
        self._waiting.clear()
        self._pool.hurry()

    def product(self, shard: int) -> Reserved:
        """The shard, to be sealed."""
        return Reserved(self._shards.pop(shard))

    def give_up(self, shard: int) -> None:
        """Give its space back."""
        self._shards.pop(shard).discard()
