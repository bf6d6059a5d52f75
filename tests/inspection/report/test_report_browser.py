"""The page of `clip-prep report` in a real browser: on a phone, on a desk, in light and dark."""

from pathlib import Path

import pytest

pytest.importorskip("jinja2")

from tests.support.browser import Measured, measure
from tests.support.command import album, clip_prep, convert, paint

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FRAMES = ((360, "light"), (360, "dark"), (320, "light"), (1280, "light"), (1280, "dark"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Images and failures with names as long as they can be, of words and of none."""
    directory = album(tmp_path / "in", 2)
    for number, letters in enumerate(("x" * 240, "word " * 48, "\u96ea" * 80, "\\" * 240)):
        paint(directory / f"{letters}.png", number, (40 * number + 20, 30))
        (directory / f"{letters}.jpg").touch()
    return directory


def measured(source: Path, out: Path, status: int = 3) -> list[Measured]:
    """The report on a set of all models, in each of `FRAMES`."""
    convert(source, out, "-m", "all", status=status)
    page = out.with_name("page.html")
    clip_prep("report", out, "-o", page)
    return measure(page, *FRAMES)


def check(found: list[Measured]) -> None:
    """Assert that nothing is too wide, too small or too faint, and that dark is dark."""
    for frame, each in zip(FRAMES, found, strict=True):
        assert each.scroll_width <= each.width <= frame[0], frame
        assert each.cut == [], frame
        assert each.least_contrast >= 4.5, frame
        assert each.chart_text >= 9, frame
        assert all(width == 224 for width in each.image_widths), frame
    light, dark = found[:2]
    assert light.background == "rgb(252, 251, 249)"
    assert dark.background == "rgb(20, 21, 24)"


def test_a_page_of_everything(source: Path, tmp_path: Path) -> None:
    """Long names break, every picture shows, charts have the colours of the page."""
    found = measured(source, tmp_path / ("out" + "-" * 200))
    check(found)
    assert [len(each.image_widths) for each in found] == [6] * len(FRAMES)
    light, dark = found[:2]
    assert light.bar == "rgb(74, 125, 171)"
    assert dark.bar == "rgb(111, 159, 202)"


def test_a_page_without_images(tmp_path: Path) -> None:
    """No chart, no picture."""
    source = album(tmp_path / "in", 0)
    (source / "empty.jpg").touch()
    found = measured(source, tmp_path / "out")
    check(found)
    assert found[0].image_widths == []
