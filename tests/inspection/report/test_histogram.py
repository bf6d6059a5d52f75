"""Histograms that are filled one value at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.inspection.report.histogram import (
    PER_DECADE,
    RATIO,
    SHARE,
    Bins,
    Histogram,
    Scale,
)


def histogram(scale: Scale, *values: float) -> Histogram:
    """The histogram of `values`."""
    bins = Bins(scale)
    for value in values:
        bins.add(value)
    return bins.histogram()


@given(st.lists(st.floats(1e-6, 1e6), min_size=1))
def test_each_value_is_in_its_bin(values: list[float]) -> None:
    """And in no other; the outermost bins are not empty."""
    found = histogram(PER_DECADE, *values)
    assert sum(found.counts) == len(values)
    assert found.counts[0]
    assert found.counts[-1]
    assert found.edges == tuple(sorted(found.edges))
    assert found.edges[0] * 0.999 <= min(values)
    assert max(values) <= found.edges[-1] * 1.001


@pytest.mark.parametrize(("width", "height"), [(1, 1), (4, 3), (3, 2), (16, 9), (2, 1), (3, 4)])
def test_usual_shapes_lie_well_inside_their_bin(width: int, height: int) -> None:
    """Sides that are one pixel longer or shorter do not come into the next one."""
    for more in (-1, 0, 1):
        found = histogram(RATIO, width / height, (width * 100 + more) / (height * 100))
        assert found.counts == (2,)


@pytest.mark.parametrize(("ratio", "edge"), [(1e-5, 0), (1 / 4, 0), (4, -1), (1e5, -1)])
def test_extreme_shapes_share_the_outermost_bins(ratio: float, edge: int) -> None:
    """However long an image is, the chart is not."""
    found = histogram(RATIO, ratio)
    assert found.edges[edge] == pytest.approx(2 ** (2.0625 if edge else -2.0625))


def test_shares() -> None:
    """Nothing and all have a bin of their own steps each."""
    assert histogram(SHARE, 0, 0.0499).edges == (0, 0.05)
    assert histogram(SHARE, 0.9999, 1).edges == (0.95, 1)


def test_peak() -> None:
    """The first of the fullest bins."""
    assert histogram(SHARE, 0.1, 0.11, 0.5, 0.51, 0.9).peak == (0.1, 0.15, 2)


def test_nothing() -> None:
    """No value, no bin."""
    assert histogram(PER_DECADE) == Histogram((), ())
