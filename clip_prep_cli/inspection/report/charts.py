"""Histograms as SVG to stand in a page, which gives it its colours and its typeface."""

import io
import re
from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from clip_prep_cli.inspection.report.histogram import Histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 4.2, 2.6
"""Inches of 72 units; small, so that its text can be read where the page is a phone's."""

_COLOURS = {"#010101": "var(--bar)", "#020202": "var(--muted)", "#030303": "var(--line)"}
"""What is drawn with here, which are colours to Matplotlib, and what the page has instead."""
_BAR, _TEXT, _LINE = _COLOURS

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "clip-prep",  # the same ids each time
    "font.size": 12,
    "text.color": _TEXT,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _TEXT,
    "axes.axisbelow": True,
    "xtick.color": _LINE,
    "xtick.labelcolor": _TEXT,
    "ytick.color": _LINE,
    "ytick.labelcolor": _TEXT,
    "ytick.major.size": 0,
    "grid.color": _LINE,
}


class _Axis(NamedTuple):
    """The horizontal axis of a chart."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = True


def megapixels_chart(histogram: Histogram) -> str:
    """The sizes of images."""
    middle = (histogram.edges[0] * histogram.edges[-1]) ** 0.5
    low, high = min(histogram.edges[0], middle / 6), max(histogram.edges[-1], middle * 6)
    steps = (1, 2, 5) if high / low < 100 else (1, 3) if high / low < 1000 else (1,)
    decades = range(floor(log10(low)), ceil(log10(high)))
    values = [float(f"{step}e{decade}") for decade in decades for step in steps]
    ticks = [(value, f"{value:.9f}".rstrip("0").rstrip(".")) for value in values]
    return _svg("megapixels", histogram, _Axis("Megapixels", low, high, ticks))


def aspect_chart(histogram: Histogram) -> str:
    """The shapes of images."""
    high = max(2.2, histogram.edges[-1], 1 / histogram.edges[0])
    ticks = [(1 / 4, "1:4"), (1 / 2, "1:2"), (2 / 3, "2:3"), (1, "1:1")]
    ticks += [(3 / 2, "3:2"), (2, "2:1"), (4, "4:1")]
    return _svg("aspect", histogram, _Axis("Width : height", 1 / high, high, ticks))


def lost_chart(histogram: Histogram) -> str:
    """The shares of images that lie outside the crop."""
    ticks = [(n / 4, f"{n * 25}%") for n in range(5)]
    return _svg("lost", histogram, _Axis("Outside the crop", 0, 1, ticks, log=False))


def _svg(name: str, histogram: Histogram, axis: _Axis) -> str:
    file = io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's own settings are
        mpl.rcParams.update(_STYLE)
        figure = Figure(_SIZE, layout="constrained")
        _draw(figure.add_subplot(), histogram, axis)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    return _for_page(file.getvalue(), name)


def _draw(axes: "Axes", histogram: Histogram, axis: _Axis) -> None:
    begins = histogram.edges[:-1]
    widths = [end - begin for begin, end in pairwise(histogram.edges)]
    gap = 0.1  # of a bar's width
    axes.bar(
        [begin + width * gap / 2 for begin, width in zip(begins, widths, strict=True)],
        histogram.counts,
        [width * (1 - gap) for width in widths],
        align="edge",
        color=_BAR,
    )
    if axis.log:
        axes.set_xscale("log")
    axes.set_xlim(axis.low, axis.high)
    inside = [(at, text) for at, text in axis.ticks if axis.low <= at <= axis.high]
    axes.set_xticks([at for at, _ in inside], [text for _, text in inside])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(axis.label)
    axes.set_ylabel("Images")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", linewidth=1)
    axes.spines[["left", "right", "top"]].set_visible(False)


def _for_page(svg: str, name: str) -> str:
    """The element alone, in the page's colours, with ids that no other chart has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r' (xmlns(:xlink)?|version|width|height)="[^"]*"', "", svg, count=5)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, variable)
    return svg.strip()
