"""Histograms: which bin a value is in."""

from math import floor, log2, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.inspection.report.histogram import (
    PER_DECADE,
    RATIO,
    SHARE,
    Histogram,
    histogram,
)

SIDE = st.integers(1, 50_000)


def counted(edges: list[float], *values: float) -> Histogram:
    """The histogram of `values`."""
    return histogram(np.array(values, np.float64), edges)


@given(st.lists(st.integers(1, 10**11), min_size=1))
def test_each_value_is_in_its_bin(pixels: list[int]) -> None:
    """And in no other; the outermost bins are not empty."""
    found = counted(PER_DECADE, *(count / 1e6 for count in pixels))
    assert sum(found.counts) == len(pixels)
    assert found.counts[0]
    assert found.counts[-1]
    assert found.edges == tuple(sorted(found.edges))
    assert found.edges[0] <= min(pixels) / 1e6
    assert max(pixels) / 1e6 < found.edges[-1]


@given(SIDE, SIDE)
def test_bins_of_sizes_and_shapes(width: int, height: int) -> None:
    """Eight to a decade; eight to a doubling, one of them around 1:1."""
    megapixels, aspect = width * height / 1e6, width / height
    assert counted(PER_DECADE, megapixels).edges[0] == 10 ** (floor(log10(megapixels) * 8) / 8)
    nearest = max(-16, min(floor(log2(aspect) * 8 + 0.5), 16))
    assert counted(RATIO, aspect).edges[0] == 2 ** ((nearest - 0.5) / 8)


@pytest.mark.parametrize("power", range(11))
def test_powers_of_ten_begin_a_bin(power: int) -> None:
    """They belong to the bin above."""
    assert counted(PER_DECADE, 10**power / 1e6).edges[0] == float(f"1e{power - 6}")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (4, 3), (3, 2), (16, 9), (2, 1), (3, 4)])
def test_usual_shapes_lie_well_inside_their_bin(width: int, height: int) -> None:
    """Sides that are one pixel longer or shorter do not come into the next one."""
    for more in (-1, 0, 1):
        found = counted(RATIO, width / height, (width * 100 + more) / (height * 100))
        assert found.counts == (2,)


@pytest.mark.parametrize(("ratio", "edge"), [(1e-5, 0), (1 / 4, 0), (4, -1), (1e5, -1)])
def test_extreme_shapes_share_the_outermost_bins(ratio: float, edge: int) -> None:
    """However long an image is, the chart is not."""
    assert counted(RATIO, ratio).edges[edge] == pytest.approx(2 ** (2.0625 if edge else -2.0625))


def test_shares() -> None:
    """Nothing and all are in the first and the last bin."""
    assert counted(SHARE, 0, 0.0499).edges == (0, 0.05)
    assert counted(SHARE, 0.9999, 1).edges == (0.95, 1)


def test_peak() -> None:
    """The first of the fullest bins."""
    assert counted(SHARE, 0.1, 0.11, 0.5, 0.51, 0.9).peak == (0.1, 0.15)
