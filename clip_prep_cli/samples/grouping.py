"""Pure: samples, grouped into shards and batches before any work on them starts."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

MAX_BATCH = 32
"""Samples that a worker gets at once: enough to hide the round trip, few enough to share out."""


def shards(samples: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """The samples of each shard in turn: `size` of them, the last shard the rest. Lazy."""
    samples = iter(samples)
    while group := tuple(islice(samples, size)):
        yield group


def batches(rows: int, workers: int) -> Iterator[range]:
    """The rows 0 to `rows` in batches small enough that every worker gets a few."""
    step = max(1, min(MAX_BATCH, rows // (4 * workers)))
    for first in range(0, rows, step):
        yield range(first, min(first + step, rows))
