"""The charts of the report: what is drawn where, whatever the histogram."""

from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jinja2")

from clip_prep_cli.inspection.report.charts import (
    BarChart,
    aspect_chart,
    lost_chart,
    megapixels_chart,
)
from clip_prep_cli.inspection.report.histogram import (
    PER_DECADE,
    RATIO,
    SHARE,
    Histogram,
    histogram,
)
from clip_prep_cli.inspection.report.page import environment

KINDS = ((megapixels_chart, PER_DECADE), (aspect_chart, RATIO), (lost_chart, SHARE))
CHARACTER = 7.0
"""Units that a character is wide at most; a point is narrower."""

Drawing = tuple[Histogram, BarChart]


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    """A histogram of one to all bins, of one to billions of images, and its chart."""
    chart, edges = draw(st.sampled_from(KINDS))
    begin = draw(st.integers(0, len(edges) - 2))
    end = draw(st.integers(begin + 1, len(edges) - 1))
    outer = st.integers(1, draw(st.sampled_from([1, 9, 10**4, 10**9])))
    counts = draw(st.lists(outer | st.just(0), min_size=end - begin, max_size=end - begin))
    counts[0], counts[-1] = draw(outer), draw(outer)
    found = Histogram(tuple(edges[begin : end + 1]), tuple(counts))
    return found, chart(found)


def count_of(text: str) -> int:
    """The number of images in a tick's text."""
    digits = text.removesuffix("M").replace(",", "")
    return round(float(digits) * (10**6 if text.endswith("M") else 1))


def svg(chart: BarChart) -> ET.Element:
    """The chart as the page has it; it must be well-formed."""
    template = environment().get_template("bar_chart.html.j2")
    return ET.fromstring(template.module.bar_chart(chart))  # type: ignore[attr-defined] # noqa: S314


@given(drawings())
def test_bars(drawing: Drawing) -> None:
    """One for each bin that has images, as high as these are many, side by side on the axis."""
    found, chart = drawing
    counts = [count for count in found.counts if count]
    height = chart.bottom - chart.top
    assert len(chart.bars) == len(counts)
    for bar, count in zip(chart.bars, counts, strict=True):
        assert bar.height == pytest.approx(max(count / max(counts) * height, 1), abs=0.01)
        assert bar.y + bar.height == pytest.approx(chart.bottom)
        assert bar.width > 1
    assert chart.bars[0].x >= chart.left
    assert chart.bars[-1].x + chart.bars[-1].width <= chart.right
    assert all(a.x + a.width < b.x for a, b in pairwise(chart.bars))


@given(drawings())
def test_ticks_of_images(drawing: Drawing) -> None:
    """Whole numbers from 0 on, at equal distances, one to four; where bars would end."""
    found, chart = drawing
    peak = max(found.counts)
    values = [count_of(tick.text) for tick in chart.y_ticks]
    assert values == list(range(0, peak + 1, values[1]))
    assert 2 <= len(values) <= 5
    for value, tick in zip(values, chart.y_ticks, strict=True):
        at = chart.bottom - value / peak * (chart.bottom - chart.top)
        assert tick.at == pytest.approx(at, abs=0.01)


@given(drawings())
def test_ticks_of_the_quantity(drawing: Drawing) -> None:
    """On the axis; some have texts, none of which touches the next one."""
    _, chart = drawing
    assert all(chart.left <= tick.at <= chart.right for tick in chart.x_ticks)
    texts = [tick for tick in chart.x_ticks if tick.text]
    assert texts
    for a, b in pairwise(texts):
        assert b.at - a.at > CHARACTER * (len(a.text) + len(b.text)) / 2, (a, b)


@given(drawings())
def test_drawn(drawing: Drawing) -> None:
    """Everything, as text and shapes that the style sheet colours; no id that could collide."""
    _, chart = drawing
    drawn = svg(chart)
    assert len(drawn.findall("rect")) == len(chart.bars)
    assert len(drawn.findall("path")) == len(chart.x_ticks) + len(chart.y_ticks)
    texts = [tick.text for tick in (*chart.y_ticks, *chart.x_ticks) if tick.text]
    assert [each.text for each in drawn.findall("text")] == ["Images", *texts, chart.label]
    for each in drawn.iter():
        assert {"id", "fill", "stroke", "style"}.isdisjoint(each.attrib)


@pytest.mark.parametrize(
    ("chart", "edges", "value", "texts"),
    [
        (megapixels_chart, PER_DECADE, 0.2, "0.05 0.1 0.2 0.5 1"),
        (megapixels_chart, PER_DECADE, 12, "2 5 10 20 50"),
        (aspect_chart, RATIO, 1.5, "1:2 2:3 1:1 3:2 2:1"),
        (aspect_chart, RATIO, 9, "1:4 1:2 2:3 1:1 3:2 2:1 4:1"),
        (lost_chart, SHARE, 0, "0% 25% 50% 75% 100%"),
    ],
)
def test_one_image(
    chart: Callable[[Histogram], BarChart], edges: list[float], value: float, texts: str
) -> None:
    """One bar, of full height, where its value is between the ticks."""
    drawn = chart(histogram(np.array([value]), edges))
    (bar,) = drawn.bars
    assert (bar.y, bar.height) == (drawn.top, drawn.bottom - drawn.top)
    assert [tick.text for tick in drawn.y_ticks] == ["0", "1"]
    assert [tick.text for tick in drawn.x_ticks] == texts.split()


@pytest.mark.parametrize(
    ("peak", "texts"),
    [
        (3, "0 1 2 3"),
        (9, "0 2 4 6 8"),
        (999_999, "0 200,000 400,000 600,000 800,000"),
        (1_000_000, "0 0.5M 1M"),
        (2_100_000_000, "0 500M 1,000M 1,500M 2,000M"),
    ],
)
def test_texts_of_counts(peak: int, texts: str) -> None:
    """Whole numbers, or millions."""
    drawn = aspect_chart(Histogram((0.9, 1.1), (peak,)))
    assert [tick.text for tick in drawn.y_ticks] == texts.split()


def test_bars_and_ticks_agree() -> None:
    """A bar stands over the tick of its value."""
    values = {"0.1": 0.105, "1": 1.05, "10": 10.5}
    chart = megapixels_chart(histogram(np.array([*values.values()]), PER_DECADE))
    places = {tick.text: tick.at for tick in chart.x_ticks}
    for text, bar in zip(values, chart.bars, strict=True):
        assert 0 < bar.x - places[text] < bar.width
