"""What a source holds that a set does not: the new samples, shard by shard, and the counts."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from threading import Event

from clip_prep_cli.samples import grouping
from clip_prep_cli.samples.parts import Part, Streamed
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.samples.roots import Identity
from clip_prep_cli.sets.contents import Contents
from clip_prep_cli.sources.archives.spool import Spool
from clip_prep_cli.sources.checksum import file_xxh128, part_xxh128
from clip_prep_cli.sources.inputs import InputSamples

_WINDOW = 256
_READERS = 8
"""Files are read ahead for --checksum: as many as make a disk or a server busy."""


@dataclass
class Tally:
    """How far a run is, in images. `planned` grows until the inputs are `scanned`."""

    planned: int = 0
    converted: int = 0
    failed: int = 0
    unchanged: int = 0
    failed_before: int = 0
    scanned: bool = False

    @property
    def listed(self) -> int:
        """The images of the inputs, as far as they have been walked."""
        return self.planned + self.unchanged + self.failed_before


class Stop:
    """Whether a scan should end early: it is asked to, or nobody wants more of it."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked
        self._cancelled = Event()

    def __call__(self) -> bool:
        """Whether it should."""
        return self._cancelled.is_set() or self._asked()

    def cancel(self) -> None:
        """Say that nobody wants more of it."""
        self._cancelled.set()


@dataclass
class Scan:
    """One pass over `source`, against what a set holds."""

    source: InputSamples
    contents: Contents
    shard_size: int
    stop: Stop
    retry_before: int = 0
    """Images that failed in an earlier shard than this are tried again."""
    checksum: bool = False
    spool: Spool | None = None
    """Where samples go that can be read only once; without one they are only counted."""
    tally: Tally = field(default_factory=Tally)
    unplaced: list[Failure] = field(default_factory=list)
    """What failed before it had a place in a shard."""
    mended: list[Identity] = field(default_factory=list)
    """What failed once and is again what was converted before."""

    def __post_init__(self) -> None:
        found = iter(self.source)
        first = tuple(islice(found, 1))
        self.empty = not first
        """Whether the source holds nothing at all; then it has been walked to its end."""
        self._found = chain(first, found)
        self._first_shard = self.contents.next_number
        self._kept_count = 0

    def shards(self) -> Iterator[tuple[Sample, ...]]:
        """The samples of each new shard, as the walk finds them; ends early if it should stop."""
        for samples in grouping.shards(self._new(), self.shard_size):
            self.tally.planned += len(samples)
            yield samples

    def release(self, shard: int) -> None:
        """Drop what was kept of a shard's samples for the workers; they have read it."""
        if self.spool:
            self.spool.release(shard)

    def _new(self) -> Iterator[Sample]:
        for found, xxh128 in self._with_content():
            if self.stop():
                return
            if isinstance(found, Failure):
                self.tally.planned += 1
                self.tally.failed += 1
                self.unplaced.append(found)
                continue
            known = self.contents.knows(found, xxh128)
            if known == "unchanged":
                if self.spool and isinstance(found.part, Part):
                    self.spool.take_back(found.part)
                self.tally.unchanged += 1
                if (found.root, found.path) in self.contents.failures:
                    self.mended.append((found.root, found.path))
            elif isinstance(known, Failure) and (known.shard or 0) >= self.retry_before:
                self.tally.failed_before += 1
            elif kept := self._kept(found):
                self._kept_count += 1
                yield kept
        self.tally.scanned = not self.stop()  # which may have ended the source as well

    def _kept(self, found: Sample) -> Sample | None:
        """A new sample as workers can read it; None if that turns out to be damaged, or to stop."""
        if self.spool and isinstance(found.part, Streamed):
            number = self._first_shard + self._kept_count // self.shard_size
            part = self.spool.keep(found.part, number)
            return part and found._replace(part=part)
        return found

    def _with_content(self) -> Iterator[tuple[Sample | Failure, int | None]]:
        """What was found; with its xxh128 if that is to decide and nothing else has already."""
        if not self.checksum:
            yield from ((found, None) for found in self._found)
            return
        with ThreadPoolExecutor(_READERS) as readers:
            while window := self._window():
                last = window[-1]
                if not (isinstance(last, Sample) and self._is_to_copy(last)):
                    yield from zip(window, readers.map(self._content, window), strict=True)
                    continue
                # The others first: how many of them are new decides on the shard of this one.
                del window[-1]
                yield from zip(window, readers.map(self._content, window), strict=True)
                if kept := self._kept(last):
                    yield kept, self._content(kept)

    def _is_to_copy(self, found: Sample) -> bool:
        """Whether its content decides, and can be read only once: then as what was copied."""
        if not isinstance(found.part, Streamed) or not self.spool:
            return False
        place = self.contents.live.get(found.root, found.path)
        return place is not None and place.size == found.size and self.spool.takes(found.part)

    def _window(self) -> list[Sample | Failure]:
        """The next ones, up to one that can be read only before the next is asked for."""
        window: list[Sample | Failure] = []
        for found in self._found:
            window.append(found)
            streamed = isinstance(found, Sample) and isinstance(found.part, Streamed)
            if streamed or len(window) == _WINDOW:
                break
        return window

    def _content(self, found: Sample | Failure) -> int | None:
        if isinstance(found, Failure):
            return None
        place = self.contents.live.get(found.root, found.path)
        if place is None or place.size != found.size:
            return None
        if found.part:
            return part_xxh128(found.part)
        path = self.contents.roots.join(found.root, found.path)
        return file_xxh128(path, found.size, self.source.waiting)
