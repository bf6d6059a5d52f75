"""What is in a set: what its manifest says, and totals over the records of its images."""

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clip_prep_cli.sets.manifest import Manifest
from clip_prep_cli.sets.names import FAILURES, LOCK, MANIFEST
from clip_prep_cli.sets.stored import StoredSet
from clip_prep_cli.storage.interface import Storage


class Pixels(NamedTuple):
    """The sizes of the source images: width times height."""

    smallest: int
    median: int
    largest: int


@dataclass(frozen=True)
class Sources:
    """The files of the live rows, as they were when they were converted."""

    bytes: int
    formats: Mapping[str, int]
    """How many of each, most first; `modes` too."""
    modes: Mapping[str, int]
    pixels: Pixels | None
    """None: there is no image."""
    duplicates: int
    """Images of which the file has the same content as that of another one before."""


@dataclass(frozen=True)
class Info:
    """What is in a set."""

    directory: Storage
    manifest: Manifest
    running: bool
    """Whether some process is changing the set."""
    images: int
    """Live rows."""
    failures: Mapping[str, int]
    """How many for each reason, most first."""
    files: Mapping[str, int]
    """Bytes of each folder, and of each file beside them."""
    sources: Sources

    @property
    def rows(self) -> int:
        """All rows, those that count no more too."""
        return sum(entry.samples for entry in self.manifest.shards)

    @property
    def bytes(self) -> int:
        """The size of the whole set."""
        return sum(self.files.values())


def info(directory: Storage) -> Info:
    """What is in the set in `directory`; it takes about 40 bytes of memory an image.

    Raises:
        CannotContinueError: there is no set, or one of another format version.
        DamagedError: it is not as it was written.
        OSError: it cannot be read.
    """
    stored = StoredSet(directory)
    return Info(
        directory=directory,
        manifest=stored.manifest,
        running=directory.is_held(LOCK),
        images=len(stored),
        failures=_ordered(Counter(failure.reason for failure in stored.failures())),
        files=_files(stored),
        sources=_sources(stored),
    )


def _files(stored: StoredSet) -> dict[str, int]:
    """Sizes as the manifest has them; that they are so is what `verify` is for."""
    sizes: Counter[str] = Counter()
    for entry in stored.manifest.shards:
        for name, file in entry.files.items():
            sizes[name.partition("/")[0]] += file.size
    lying = {each.name: each.size for each in stored.directory.entries()}
    for name in (MANIFEST, FAILURES):
        if name in lying:  # a first run may not be so far yet
            sizes[name] = lying[name]
    return dict(sizes)


def _sources(stored: StoredSet) -> Sources:
    total = 0
    formats: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    pixels, contents = array("Q"), bytearray()
    for record in stored.records():
        total += record.sample.size
        formats[record.format] += 1
        modes[record.mode] += 1
        pixels.append(record.width * record.height)
        contents += bytes.fromhex(record.xxh128)
    return Sources(
        total, _ordered(formats), _ordered(modes), _spread(pixels), _duplicates(contents)
    )


def _spread(pixels: "array[int]") -> Pixels | None:
    if not pixels:
        return None
    sizes = np.sort(pixels)
    return Pixels(int(sizes[0]), int(sizes[(len(sizes) - 1) // 2]), int(sizes[-1]))


def _duplicates(contents: bytearray) -> int:
    """How many of the checksums of 16 bytes each have been there before."""
    sums = np.frombuffer(contents, "S16")
    return len(sums) - len(np.unique(sums))


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """Most first; equal ones by name, so that the order is always the same."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
