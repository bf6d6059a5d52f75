"""What makes shards: worker processes here, or tasks somewhere else. One interface for both."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from clip_prep_cli.samples.parts import Part
from clip_prep_cli.samples.records import Failure, Record
from clip_prep_cli.sets.tensorset import TensorSet
from clip_prep_cli.workers.batch import Outcome


class Made(NamedTuple):
    """Some rows of a shard that are done, and the outcome of each."""

    shard: int
    rows: Sequence[int]
    outcomes: Sequence[Outcome]


class Product(Protocol):
    """The tensors of a shard of which every row is done."""

    def commit(self, tensors: TensorSet, results: Sequence[Record | Failure]) -> None:
        """Make them part of the set.

        Raises:
            OSError: something cannot be written; the shard is not committed then.
        """

    def discard(self) -> None:
        """Give the space back, if it was not committed."""


class Engine(Protocol):
    """Makes the rows of shards, several at a time; they come back in any order."""

    @property
    def versions(self) -> Mapping[str, str]:
        """What the workers are made of, once they have said it."""

    @property
    def error(self) -> Exception | None:
        """Why no more shards can be made. What is under way still comes back."""

    @property
    def busy(self) -> bool:
        """Whether anything that was begun has not come back yet."""

    @property
    def has_room(self) -> bool:
        """Whether another shard should be begun."""

    @property
    def under_way(self) -> int:
        """Rows that are done, but come back only with the rest of their shard."""

    def begin(self, shard: int, sources: Sequence[str | Part]) -> None:
        """Have a shard made of these sources, a row each.

        Raises:
            CannotContinueError: there is no space for it.
        """

    def collect(self) -> list[Made]:
        """What has come back; waits a moment if nothing has.

        Raises:
            CannotContinueError: workers die without having touched an image.
        """

    def stop(self) -> None:
        """Begin nothing any more of what was asked for; what runs comes back."""

    def product(self, shard: int) -> Product:
        """The tensors of a shard of which every row has come back."""

    def give_up(self, shard: int) -> None:
        """Drop a shard that nobody wants any more."""
