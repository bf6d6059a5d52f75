"""The report as one HTML page, which needs nothing else: no network, no script."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from clip_prep_cli.common.versions import __version__
from clip_prep_cli.common.wording import images, printable, size_text
from clip_prep_cli.errors import Reason
from clip_prep_cli.inspection.report.charts import aspect_chart, lost_chart, megapixels_chart
from clip_prep_cli.inspection.report.data import SHOWN, Picture, ReportData
from clip_prep_cli.inspection.report.histogram import Histogram
from clip_prep_cli.inspection.report.sources import Size, Sources
from clip_prep_cli.pixels.models import openai_models
from clip_prep_cli.sets.layout import shard_name
from clip_prep_cli.sets.manifest import FAILURES, MANIFEST, Era

_THUMBNAIL = 224
"""Pixels of a picture's side at most."""

_REASONS: Mapping[Reason, str] = {
    "unreadable": "The file could not be read",
    "not_an_image": "Not an image",
    "truncated": "The end of the file is missing",
    "corrupt": "Damaged",
    "too_large": "More pixels than --max-pixels",
    "unsupported": "A format or variant that is not decoded",
    "timeout": "Not decoded within --timeout",
    "worker_died": "Decoding it ended the process",
}


class Chart(NamedTuple):
    """A histogram: drawn, in a sentence, and as a table."""

    title: str
    words: str
    svg: Markup
    rows: Sequence[tuple[str, int]]


class EraText(NamedTuple):
    """A part of the set's history."""

    since: str
    what: str
    versions: str
    """All of the first era's; of a later one's, those that had changed."""


def page(data: ReportData) -> bytes:
    """The page, in UTF-8; the same for the same data."""
    environment = Environment(
        loader=PackageLoader("clip_prep_cli.inspection.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"size": size_text, "number": "{:,}".format, "percent": _percent}
    template = environment.get_template("report.html.j2")
    return template.render(
        data=data,
        manifest=data.manifest,
        sources=data.sources,
        charts=_charts(data.sources) if data.sources.images else (),
        eras=_eras(data.manifest.history),
        data_url=_data_url,
        failures_file=FAILURES,
        images=images,
        manifest_file=MANIFEST,
        openai_models=openai_models,
        reasons=_REASONS,
        shard_name=shard_name,
        shown=SHOWN,
        version=__version__,
    ).encode()


def _shown(value: object) -> object:
    """Every value on its way into the page; names can hold what no page may."""
    return value if isinstance(value, Markup) else printable(str(value))


def _percent(share: float) -> str:
    """A share of which something above nothing, or below all, never looks like that."""
    text = f"{share:.1%}"
    if share > 0 and text == "0.0%":
        return "under 0.1%"
    return "over 99.9%" if share < 1 and text == "100.0%" else text


def _data_url(picture: Picture) -> str:
    image = Image.fromarray(picture.pixels)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _charts(sources: Sources) -> Iterable[Chart]:
    span = f"From {_size(sources.smallest)} to {_size(sources.largest)} pixels"
    yield _chart(
        "Size", sources.megapixels, megapixels_chart, _megapixels, f"{span}, most often {{}}."
    )
    yield _chart("Shape", sources.aspect, aspect_chart, _ratio, "Width to height most often {}.")
    lost = f"On average {_percent(sources.mean_lost)} of a picture, most often {{}}"
    whole = f"{images(sources.uncropped) if sources.uncropped else 'none'} kept whole."
    yield _chart("Lost to the crop", sources.lost, lost_chart, _share, f"{lost}; {whole}")


def _chart(
    title: str,
    histogram: Histogram,
    draw: Callable[[Histogram], str],
    words: Callable[[float, float], str],
    sentence: str,
) -> Chart:
    begin, end, _ = histogram.peak
    ranges = [words(begin, end) for begin, end in pairwise(histogram.edges)]
    svg = Markup(draw(histogram))  # noqa: S704 - it holds nothing but numbers and our own words
    rows = [row for row in zip(ranges, histogram.counts, strict=True) if row[1]]
    return Chart(title, sentence.format(words(begin, end)), svg, rows)


def _size(size: Size) -> str:
    return " \u00d7 ".join(f"{side:,}" for side in size)


def _megapixels(begin: float, end: float) -> str:
    return f"{_plain(begin)} to {_plain(end)} MP"


def _plain(value: float) -> str:
    """Two significant digits, never in scientific notation."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.8f}".rstrip("0").rstrip(".")


def _ratio(begin: float, end: float) -> str:
    low, high = (f"{edge:.2f}:1" if edge >= 1 else f"1:{1 / edge:.2f}" for edge in (begin, end))
    if begin < 1 / 4:
        return f"{high} and narrower"
    return f"{low} and wider" if end > 4 else f"{low} to {high}"


def _share(begin: float, end: float) -> str:
    return f"{begin:.0%} to {end:.0%}"


def _eras(history: Sequence[Era]) -> Iterable[EraText]:
    before: Mapping[str, str] = {}
    for era in history:
        new = {name: v for name, v in era.generator.items() if before.get(name) != v}
        what = f"{era.action}, from {shard_name(era.from_shard)} on"
        versions = ", ".join(f"{name} {version}" for name, version in new.items())
        yield EraText(era.since, what, versions)
        before = era.generator
