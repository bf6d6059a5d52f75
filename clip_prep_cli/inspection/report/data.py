"""What a report says of a set, read from it once."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip_prep_cli.errors import Reason
from clip_prep_cli.inspection.report.sources import Sources, by_count, sources
from clip_prep_cli.pixels.normalize import denormalize
from clip_prep_cli.pixels.transforms import Transform
from clip_prep_cli.samples.records import Failure, Record
from clip_prep_cli.sets.manifest import Manifest
from clip_prep_cli.sets.stored import StoredSet
from clip_prep_cli.storage.interface import Storage

PICTURES = 24
"""On the contact sheet."""

SHOWN = 200
"""Failures of each reason, and roots: a page must not grow with the set."""


class Picture(NamedTuple):
    """A stored row, and what it is the row of."""

    shard: int
    row: int
    path: str
    record: Record
    pixels: NDArray[np.uint8]


class FailedImage(NamedTuple):
    """An image that could not be converted."""

    path: str
    detail: str


class FailureGroup(NamedTuple):
    """How many images failed for one reason, and the first of them."""

    reason: Reason
    images: int
    shown: tuple[FailedImage, ...]


class TensorBytes(NamedTuple):
    """The tensor files of one transform, superseded rows included."""

    transform: Transform
    bytes: int


@dataclass(frozen=True)
class ReportData:
    """A set in numbers, names and a few pictures."""

    directory: Storage
    """Absolute."""
    manifest: Manifest
    tensors: tuple[TensorBytes, ...]
    sources: Sources
    failures: tuple[FailureGroup, ...]
    """The most frequent reason first."""
    pictures: tuple[Picture, ...]
    """At the set's smallest resolution."""

    @property
    def failed(self) -> int:
        """How many images could not be converted."""
        return sum(group.images for group in self.failures)


def report_data(stored: StoredSet, seed: int) -> ReportData:
    """Read what a report needs; `seed` decides which rows are its pictures.

    Raises:
        DamagedError: the set is not as it was written.
        OSError: it cannot be read.
    """
    settings, shards = stored.manifest.settings, stored.manifest.shards
    failures = _grouped(stored, stored.failures())  # first: a run that begins now replaces them
    return ReportData(
        directory=stored.directory.absolute(),
        manifest=stored.manifest,
        tensors=tuple(
            TensorBytes(
                layout.transform, sum(each.files[layout.file(each.number)].size for each in shards)
            )
            for layout in settings.layouts
        ),
        sources=sources(stored.records(), settings),
        failures=failures,
        pictures=tuple(_pictures(stored, seed)),
    )


def _grouped(stored: StoredSet, failures: Iterable[Failure]) -> tuple[FailureGroup, ...]:
    counts: Counter[Reason] = Counter()
    shown: defaultdict[Reason, list[FailedImage]] = defaultdict(list)
    for failure in failures:
        counts[failure.reason] += 1
        if counts[failure.reason] <= SHOWN:
            shown[failure.reason].append(FailedImage(_path(stored, failure), failure.detail))
    ordered = by_count(counts).items()
    return tuple(FailureGroup(reason, images, tuple(shown[reason])) for reason, images in ordered)


def _pictures(stored: StoredSet, seed: int) -> Iterable[Picture]:
    settings = stored.manifest.settings
    layout = settings.layouts[0]
    # Not for cryptography: the same seed is to give the same page.
    chosen = random.Random(seed).sample(range(len(stored)), min(PICTURES, len(stored)))  # noqa: S311
    for number in sorted(chosen):
        shard, row = stored.place(number)
        record = stored.record(number)
        data = stored.rows.row(layout, shard, row, record)
        pixels = denormalize(data, layout.transform, layout.dtype, settings.reference)
        yield Picture(shard, row, _path(stored, record), record, pixels)


def _path(stored: StoredSet, image: Record | Failure) -> str:
    """An image's path below its root, or, where that is not clear, the absolute one."""
    if len(stored.manifest.roots) == 1 and image.sample.path:
        return image.sample.path
    return stored.source(image)
