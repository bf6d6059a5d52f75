"""What the source images of a set were like, against plain sums over them."""

from collections import Counter
from math import prod
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.inspection.report.sources import Pixels, Sources, sources
from clip_prep_cli.pixels.geometry import geometry
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.samples.records import Record, Sample
from clip_prep_cli.sets.settings import SetSettings

SIDES = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
RECORDS = st.builds(
    lambda size, content, form, mode, sides: Record(
        Sample(0, "a", size, 0), f"{content:032x}", form, mode, sides[0], sides[1], {}
    ),
    st.integers(0, 10**12),
    st.sampled_from([0, 1, 1 << 8, 1 << 127]),  # some end with zero bytes
    st.sampled_from(["JPEG", "PNG", "GIF"]),
    st.sampled_from(["RGB", "L", "P"]),
    SIDES | st.sampled_from([(224, 224), (640, 480), (480, 640)]),
)

BOTH = SetSettings((openai(224), openai(288)))


@given(st.lists(RECORDS, min_size=1, max_size=20))
def test_each_record_counts(records: list[Record]) -> None:
    """Once, in everything that is counted."""
    found = sources(iter(records), BOTH)
    shapes = [(record.width, record.height) for record in records]
    crops = [geometry(*shape, openai(224), OPENAI) for shape in shapes]
    lost = [1 - 224**2 / (crop.width * crop.height) for crop in crops]
    assert found.images == len(records)
    assert found.bytes == sum(record.sample.size for record in records)
    assert found.duplicates == len(records) - len({record.xxh128 for record in records})
    assert found.enlarged == tuple(sum(min(shape) < n for shape in shapes) for n in (224, 288))
    assert found.sizes
    pixels = [prod(shape) for shape in shapes]
    assert found.sizes.pixels == Pixels(min(pixels), median_low(pixels), max(pixels))
    assert found.sizes.smallest == min(shapes, key=prod)
    assert found.sizes.largest == max(shapes, key=prod)
    assert found.sizes.mean_lost == pytest.approx(sum(lost) / len(lost))
    assert found.sizes.uncropped == lost.count(0)
    for histogram in (found.sizes.megapixels, found.sizes.aspect, found.sizes.lost):
        assert sum(histogram.counts) == len(records)


@given(st.lists(RECORDS))
def test_most_first(records: list[Record]) -> None:
    """Formats and modes; equal ones by name."""
    found = sources(iter(records), SetSettings((openai(224),)))
    for names, counts in (
        ([record.format for record in records], found.formats),
        ([record.mode for record in records], found.modes),
    ):
        assert counts == Counter(names)
        assert list(counts) == sorted(counts, key=lambda name: (-counts[name], name))


def test_no_image() -> None:
    """Nothing is counted, and there are no sizes."""
    assert sources(iter(()), BOTH) == Sources(0, 0, {}, {}, 0, (0, 0), None)
