"""What the source images of a set were like; `info` and the report both show it."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from clip_prep_cli.inspection.report.histogram import PER_DECADE, RATIO, SHARE, Histogram, histogram
from clip_prep_cli.pixels.geometry import geometry
from clip_prep_cli.samples.records import Record
from clip_prep_cli.sets.settings import SetSettings

K = TypeVar("K", bound=str)

Size = tuple[int, int]
"""Width and height in pixels."""


class Pixels(NamedTuple):
    """The sizes of the images: width times height."""

    smallest: int
    median: int
    largest: int


@dataclass(frozen=True)
class Sizes:
    """Sizes and shapes of images; there is at least one."""

    pixels: Pixels
    smallest: Size
    """By the number of pixels, as `largest`; of several, the first."""
    largest: Size
    megapixels: Histogram
    aspect: Histogram
    """Width divided by height."""
    lost: Histogram
    """The share of the picture that is outside the crop."""
    mean_lost: float
    uncropped: int
    """How many lose nothing."""


@dataclass(frozen=True)
class Sources:
    """The files of the live rows, as they were when they were converted."""

    images: int
    bytes: int
    formats: Mapping[str, int]
    """How many of each, most first; `modes` too."""
    modes: Mapping[str, int]
    duplicates: int
    """Images whose file has the same content as that of another one before."""
    enlarged: tuple[int, ...]
    """For each transform, how many have a side that is shorter."""
    sizes: Sizes | None
    """None: there is no image."""


def sources(records: Iterable[Record], settings: SetSettings) -> Sources:
    """Count `records`, in about 40 bytes of memory an image.

    The share lost is that by the first transform; at another resolution it
    differs only by the rounding to whole pixels.
    """
    size = 0
    formats, modes = Counter[str](), Counter[str]()
    widths, heights, lost, contents = array("I"), array("I"), array("d"), bytearray()
    for record in records:
        size += record.sample.size
        formats[record.format] += 1
        modes[record.mode] += 1
        widths.append(record.width)
        heights.append(record.height)
        crop = geometry(record.width, record.height, settings.transforms[0], settings.reference)
        lost.append(1 - prod(crop.crop_size) / prod(crop.size))
        contents += bytes.fromhex(record.xxh128)
    duplicates = _duplicates(contents)
    del contents  # what follows needs the memory
    width, height = np.asarray(widths), np.asarray(heights)
    return Sources(
        images=len(widths),
        bytes=size,
        formats=by_count(formats),
        modes=by_count(modes),
        duplicates=duplicates,
        enlarged=tuple(
            int(np.count_nonzero((width < each.width) | (height < each.height)))
            for each in settings.transforms
        ),
        sizes=_sizes(width, height, np.asarray(lost)) if widths else None,
    )


def by_count(counts: Mapping[K, int]) -> dict[K, int]:
    """Most first; equal ones by name, so that the order is always the same."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _duplicates(contents: bytearray) -> int:
    """How many of the checksums of 16 bytes each have been there before; sorts them in place."""
    sums = np.frombuffer(contents, "S16")
    sums.sort()
    return int(np.count_nonzero(sums[1:] == sums[:-1]))


def _sizes(
    width: NDArray[np.uint32], height: NDArray[np.uint32], lost: NDArray[np.float64]
) -> Sizes:
    pixels = np.multiply(width, height, dtype=np.uint64)
    ends = pixels.argmin(), pixels.argmax()
    smallest, largest = ((int(width[n]), int(height[n])) for n in ends)
    megapixels = histogram(pixels / 1e6, PER_DECADE)
    pixels.sort()
    middle = (len(pixels) - 1) // 2
    return Sizes(
        pixels=Pixels(*(int(pixels[n]) for n in (0, middle, -1))),
        smallest=smallest,
        largest=largest,
        megapixels=megapixels,
        aspect=histogram(width / height, RATIO),
        lost=histogram(lost, SHARE),
        mean_lost=float(lost.mean()),
        uncropped=int(np.count_nonzero(lost == 0)),
    )
