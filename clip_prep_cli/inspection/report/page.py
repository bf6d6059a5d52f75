"""The report as one HTML page, which needs nothing else: no network, no script."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from clip_prep_cli.common.versions import __version__
from clip_prep_cli.common.wording import images, printable, size_text
from clip_prep_cli.errors import Reason
from clip_prep_cli.inspection.output_file import check_output, write_output
from clip_prep_cli.inspection.report.charts import (
    BarChart,
    aspect_chart,
    lost_chart,
    megapixels_chart,
    plain,
)
from clip_prep_cli.inspection.report.data import SHOWN, Picture, ReportData, report_data
from clip_prep_cli.inspection.report.histogram import Histogram
from clip_prep_cli.inspection.report.sources import Size, Sizes
from clip_prep_cli.pixels.models import openai_models
from clip_prep_cli.sets.names import FAILURES, MANIFEST, shard_name
from clip_prep_cli.sets.stored import StoredSet
from clip_prep_cli.storage.interface import Storage

_THUMBNAIL = 224
"""Pixels of a picture's side at most."""

_REASONS: Mapping[Reason, str] = {
    "unreadable": "The file could not be read",
    "not_an_image": "Not an image",
    "truncated": "The end of the file is missing",
    "corrupt": "Damaged",
    "too_large": "More pixels than --max-pixels",
    "unsupported": "An unsupported format or variant",
    "timeout": "Not decoded within --timeout",
    "worker_died": "Decoding it crashed the worker",
}


class Chart(NamedTuple):
    """A histogram: drawn, in a sentence, and as a table."""

    title: str
    words: str
    drawing: BarChart
    rows: Sequence[tuple[str, int]]


def write_report(directory: Storage, out: Path, seed: int) -> int:
    """Write the page on the set in `directory` to `out`; its size in bytes.

    Raises:
        UsageError: `out` is inside the set, or is not a regular file.
        CannotContinueError: there is no set, it is damaged, or the page cannot be written.
        OSError: the set cannot be read.
    """
    check_output(out, directory)
    content = _page(report_data(StoredSet(directory), seed))
    write_output(out, content)
    return len(content)


def _page(data: ReportData) -> bytes:
    """The page, in UTF-8; the same for the same data."""
    template = environment().get_template("report.html.j2")
    sizes = data.sources.sizes
    return template.render(
        data=data,
        manifest=data.manifest,
        sources=data.sources,
        charts=tuple(_charts(sizes)) if sizes else (),
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


def environment() -> Environment:
    """Where the page's templates are, and how values come into them."""
    environment = Environment(
        loader=PackageLoader("clip_prep_cli.inspection.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"size": size_text, "number": "{:,}".format, "percent": _percent}
    return environment


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


def _charts(sizes: Sizes) -> Iterable[Chart]:
    span = f"From {_size(sizes.smallest)} to {_size(sizes.largest)} pixels"
    yield _chart(
        "Size", sizes.megapixels, megapixels_chart, _megapixels, f"{span}, most often {{}}."
    )
    yield _chart("Shape", sizes.aspect, aspect_chart, _ratio, "Width to height, most often {}.")
    lost = f"On average {_percent(sizes.mean_lost)} of an image, most often {{}}"
    whole = f"{images(sizes.uncropped) if sizes.uncropped else 'none'} kept whole."
    yield _chart("Lost to the crop", sizes.lost, lost_chart, _share, f"{lost}; {whole}")


def _chart(
    title: str,
    histogram: Histogram,
    draw: Callable[[Histogram], BarChart],
    words: Callable[[float, float], str],
    sentence: str,
) -> Chart:
    ranges = [words(begin, end) for begin, end in pairwise(histogram.edges)]
    rows = [row for row in zip(ranges, histogram.counts, strict=True) if row[1]]
    peak = words(*histogram.peak)
    return Chart(title, sentence.format(peak), draw(histogram), rows)


def _size(size: Size) -> str:
    return " \u00d7 ".join(f"{side:,}" for side in size)


def _megapixels(begin: float, end: float) -> str:
    return f"{plain(begin)} to {plain(end)} MP"


def _ratio(begin: float, end: float) -> str:
    low, high = (f"{edge:.2f}:1" if edge >= 1 else f"1:{1 / edge:.2f}" for edge in (begin, end))
    if begin < 1 / 4:
        return f"{high} and narrower"
    return f"{low} and wider" if end > 4 else f"{low} to {high}"


def _share(begin: float, end: float) -> str:
    return f"{begin:.0%} to {end:.0%}"
