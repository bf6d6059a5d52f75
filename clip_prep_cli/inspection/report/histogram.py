"""Histograms that are filled one value at a time, in memory that does not grow with the values."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import floor, log2, log10
from typing import NamedTuple


class Scale(NamedTuple):
    """How a quantity is cut into bins: the bin of a value, and where bin `n` begins."""

    bin_of: Callable[[float], int]
    edge: Callable[[int], float]


PER_DECADE = Scale(lambda value: floor(log10(value) * 8), lambda n: 10 ** (n / 8))
"""Eight bins from 1 to 10, from 10 to 100, and so on."""

_LAST = 16
RATIO = Scale(
    lambda value: max(-_LAST, min(floor(log2(value) * 8 + 0.5), _LAST)),
    lambda n: 2 ** ((n - 0.5) / 8),
)
"""Eight bins from 1:1 to 2:1, one of them around 1:1; the outermost, at 1:4 and 4:1, have the rest.

The ratios that cameras have (5:4, 4:3, 3:2, 16:9) lie well inside theirs.
"""

SHARE = Scale(lambda value: min(floor(value * 20), 19), lambda n: n / 20)
"""Twenty bins from 0 to 1."""


@dataclass(frozen=True)
class Histogram:
    """How many values lie in each bin, from the first that has any to the last."""

    edges: tuple[float, ...]
    """One more than there are counts; none if there are no values."""
    counts: tuple[int, ...]

    @property
    def peak(self) -> tuple[float, float, int]:
        """Begin, end and count of the first of the fullest bins; there must be a value."""
        n = self.counts.index(max(self.counts))
        return self.edges[n], self.edges[n + 1], self.counts[n]


class Bins:
    """A histogram while it is filled."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._counts: Counter[int] = Counter()

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[self._scale.bin_of(value)] += 1

    def histogram(self) -> Histogram:
        """What was counted."""
        if not self._counts:
            return Histogram((), ())
        bins = range(min(self._counts), max(self._counts) + 1)
        edges = tuple(self._scale.edge(n) for n in range(bins.start, bins.stop + 1))
        return Histogram(edges, tuple(self._counts[n] for n in bins))
