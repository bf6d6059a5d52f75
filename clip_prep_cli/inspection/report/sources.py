"""What the source images of a set were like, counted record by record."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from clip_prep_cli.inspection.report.histogram import PER_DECADE, RATIO, SHARE, Bins, Histogram
from clip_prep_cli.pixels.geometry import geometry
from clip_prep_cli.samples.records import Record
from clip_prep_cli.sets.settings import SetSettings

Table = tuple[tuple[str, int], ...]
"""Names and how often each came up, the most frequent first."""

Size = tuple[int, ...]
"""Width and height in pixels; empty if there is no image."""


@dataclass(frozen=True)
class Sources:
    """The live images of a set, as their files had them."""

    images: int
    bytes: int
    smallest: Size
    """By the number of pixels, as `largest`."""
    largest: Size
    megapixels: Histogram
    aspect: Histogram
    """Width divided by height."""
    lost: Histogram
    """The share of the picture that lies outside the crop."""
    mean_lost: float
    uncropped: int
    """How many lose nothing."""
    enlarged: tuple[int, ...]
    """For each transform, how many have a side that is shorter."""
    formats: Table
    modes: Table


def sources(records: Iterable[Record], settings: SetSettings) -> Sources:
    """Count `records`; the share lost is that by the first transform.

    At another resolution it differs by the rounding to whole pixels only.
    """
    tally = _Tally(settings)
    for record in records:
        tally.add(record)
    return tally.sources()


class _Tally:
    def __init__(self, settings: SetSettings) -> None:
        self._settings = settings
        self._images = self._bytes = self._uncropped = 0
        self._lost = 0.0
        self._smallest: Size = ()
        self._largest: Size = ()
        self._bins = Bins(PER_DECADE), Bins(RATIO), Bins(SHARE)
        self._enlarged = [0] * len(settings.transforms)
        self._formats: Counter[str] = Counter()
        self._modes: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        width, height = size = record.width, record.height
        crop = geometry(width, height, self._settings.transforms[0], self._settings.reference)
        lost = 1 - prod(crop.crop_size) / prod(crop.size)
        for bins, value in zip(
            self._bins, (width * height / 1e6, width / height, lost), strict=True
        ):
            bins.add(value)
        for n, transform in enumerate(self._settings.transforms):
            self._enlarged[n] += width < transform.width or height < transform.height
        self._images += 1
        self._bytes += record.sample.size
        self._lost += lost
        self._uncropped += lost == 0
        self._formats[record.format] += 1
        self._modes[record.mode] += 1
        self._smallest = min(self._smallest or size, size, key=prod)
        self._largest = max(self._largest or size, size, key=prod)

    def sources(self) -> Sources:
        megapixels, aspect, lost = (bins.histogram() for bins in self._bins)
        return Sources(
            images=self._images,
            bytes=self._bytes,
            smallest=self._smallest,
            largest=self._largest,
            megapixels=megapixels,
            aspect=aspect,
            lost=lost,
            mean_lost=self._lost / max(self._images, 1),
            uncropped=self._uncropped,
            enlarged=tuple(self._enlarged),
            formats=_by_count(self._formats),
            modes=_by_count(self._modes),
        )


def _by_count(names: Counter[str]) -> Table:
    return tuple(sorted(names.items(), key=lambda item: (-item[1], item[0])))
