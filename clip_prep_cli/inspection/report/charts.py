"""Histograms as what `bar_chart.html.j2` draws: bars and ticks, in units of the drawing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from math import ceil, floor, log, log10
from typing import ClassVar, NamedTuple

from clip_prep_cli.inspection.report.histogram import Histogram

_DIGIT = 7.5
"""The widest that a digit is in the typefaces of the page, of 12 units."""


class Bar(NamedTuple):
    """A bin that has images; `x` and `y` are its upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Tick(NamedTuple):
    """A place on an axis, and what is written there; that may be nothing."""

    at: float
    text: str


@dataclass(frozen=True)
class BarChart:
    """A histogram to draw; `y` grows downwards.

    It is small, so that its text can be read where the page is a phone's.
    """

    width: ClassVar = 300
    height: ClassVar = 198
    right: ClassVar = 284
    """Where the horizontal axis ends; the last tick's text is wider."""
    top: ClassVar = 28
    bottom: ClassVar = 158

    label: str
    """Of the horizontal axis; the vertical one has images."""
    left: float
    bars: Sequence[Bar]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


class _Axis(NamedTuple):
    """A horizontal axis, in units of the quantity."""

    label: str
    low: float
    high: float
    ticks: Sequence[Tick]
    scale: Callable[[float], float] = log


def megapixels_chart(histogram: Histogram) -> BarChart:
    """The sizes of images; ticks at 1, 2, 5, or at 1 and 3, or at 1 of each decade."""
    middle = (histogram.edges[0] * histogram.edges[-1]) ** 0.5
    low, high = min(histogram.edges[0], middle / 6), max(histogram.edges[-1], middle * 6)
    decades = range(floor(log10(low)), ceil(log10(high)))
    widest = _DIGIT * max(len(plain(10.0**decade)) for decade in decades) + 6
    width = BarChart.right - _left(max(histogram.counts))
    room = width / log10(high / low) / widest  # texts in a decade
    steps = (1, 2, 5) if room * log10(2) > 1 else (1, 3) if room * log10(3) > 1 else (1,)
    values = [(float(f"{step}e{decade}"), decade) for decade in decades for step in steps]
    apart = ceil(1 / room)
    ticks = [Tick(value, "" if decade % apart else plain(value)) for value, decade in values]
    return _chart(histogram, _Axis("Megapixels", low, high, ticks))


def aspect_chart(histogram: Histogram) -> BarChart:
    """The shapes of images."""
    high = max(2.2, histogram.edges[-1], 1 / histogram.edges[0])
    sides = (1, 4), (1, 2), (2, 3), (1, 1), (3, 2), (2, 1), (4, 1)
    ticks = [Tick(width / height, f"{width}:{height}") for width, height in sides]
    return _chart(histogram, _Axis("Width : height", 1 / high, high, ticks))


def lost_chart(histogram: Histogram) -> BarChart:
    """The shares of images that are outside the crop."""
    ticks = [Tick(n / 4, f"{n * 25}%") for n in range(5)]
    return _chart(histogram, _Axis("Outside the crop", 0, 1, ticks, scale=float))


def plain(value: float) -> str:
    """Two significant digits, never in scientific notation."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.8f}".rstrip("0").rstrip(".")


def _chart(histogram: Histogram, axis: _Axis) -> BarChart:
    peak = max(histogram.counts)
    left = _left(peak)
    low, high = axis.scale(axis.low), axis.scale(axis.high)

    def x(value: float) -> float:
        share = (axis.scale(value) - low) / (high - low)
        return round(left + share * (BarChart.right - left), 2)

    def height(images: int) -> float:
        return round(images / peak * (BarChart.bottom - BarChart.top), 2)

    bars = [
        _bar(x(begin), x(end), max(height(images), 1))  # a single image is to be seen
        for (begin, end), images in zip(pairwise(histogram.edges), histogram.counts, strict=True)
        if images
    ]
    return BarChart(
        label=axis.label,
        left=left,
        bars=bars,
        x_ticks=[Tick(x(at), text) for at, text in axis.ticks if axis.low <= at <= axis.high],
        y_ticks=[Tick(BarChart.bottom - height(n), _count(n, peak)) for n in _counts(peak)],
    )


def _left(peak: int) -> float:
    """Where the horizontal axis begins: beside the texts of the vertical one."""
    return _DIGIT * max(len(_count(n, peak)) for n in _counts(peak)) + 8


def _bar(begin: float, end: float, height: float) -> Bar:
    gap = 0.1 * (end - begin)
    return Bar(begin + gap / 2, BarChart.bottom - height, end - begin - gap, height)


def _counts(peak: int) -> range:
    """From 0 to `peak` at most, in steps of 1, 2, 5, 10, ...: the first that needs at most four."""
    steps: Iterator[int] = (step * 10**power for power in count() for step in (1, 2, 5))
    return range(0, peak + 1, next(step for step in steps if peak // step <= 4))


def _count(images: int, peak: int) -> str:
    """In millions if that is what `peak` is; whole numbers would leave the bars little room."""
    return f"{images / 1e6:,g}M" if images and peak >= 1_000_000 else f"{images:,}"
