"""Histograms by NumPy: how many values are in each bin."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PER_DECADE = [10 ** (n / 8) for n in range(-48, 49)]
"""Edges of bins: eight from 1 to 10, from 10 to 100, and so on, from a millionth to a million."""

RATIO = [2 ** ((n - 0.5) / 8) for n in range(-16, 18)]
"""Eight bins from 1:1 to 2:1, one of them around 1:1; the outermost are at 1:4 and 4:1.

The ratios that cameras have (5:4, 4:3, 3:2, 16:9) are well inside theirs.
"""

SHARE = [n / 20 for n in range(21)]
"""Twenty bins from 0 to 1."""


class Histogram(NamedTuple):
    """How many values are in each bin, from the first that has any to the last."""

    edges: tuple[float, ...]
    """One more than there are counts."""
    counts: tuple[int, ...]

    @property
    def peak(self) -> tuple[float, float]:
        """Begin and end of the first of the fullest bins."""
        n = self.counts.index(max(self.counts))
        return self.edges[n], self.edges[n + 1]


def histogram(values: NDArray[np.float64], edges: Sequence[float]) -> Histogram:
    """Count `values`, of which there is at least one; the outermost bins have what is beyond."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    filled = np.flatnonzero(counts)
    begin, end = int(filled[0]), int(filled[-1]) + 1
    return Histogram(tuple(edges[begin : end + 1]), tuple(counts[begin:end].tolist()))
