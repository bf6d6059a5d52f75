"""What a source holds that a set does not: the new samples, shard by shard, and the counts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from clip_prep_cli import plan
from clip_prep_cli.records import Failure, Sample
from clip_prep_cli.sources import Source
from clip_prep_cli.tensorset import TensorSet


@dataclass
class Tally:
    """How far a run is, in images. `planned` grows until the inputs are `scanned`."""

    planned: int = 0
    converted: int = 0
    failed: int = 0
    unchanged: int = 0
    failed_before: int = 0
    scanned: bool = False

    @property
    def listed(self) -> int:
        """The images of the inputs, as far as they have been walked."""
        return self.planned + self.unchanged + self.failed_before


@dataclass
class Scan:
    """One pass over `source`, against what `tensors` has committed."""

    source: Source
    tensors: TensorSet
    retry_failed: bool
    tally: Tally = field(default_factory=Tally)
    unplaced: list[Failure] = field(default_factory=list)
    """What failed before it had a place in a shard."""

    def shards(self) -> Iterator[tuple[Sample, ...]]:
        """The samples of each new shard, as the walk finds them."""
        for samples in plan.shards(self._new(), self.tensors.settings.shard_size):
            self.tally.planned += len(samples)
            yield samples
        self.tally.scanned = True

    def _new(self) -> Iterator[Sample]:
        for found in self.source:
            if isinstance(found, Failure):
                self.tally.planned += 1
                self.tally.failed += 1
                self.unplaced.append(found)
                continue
            known = self.tensors.knows(found)
            if known == "unchanged":
                self.tally.unchanged += 1
            elif known == "failed" and not self.retry_failed:
                self.tally.failed_before += 1
            else:
                yield found
