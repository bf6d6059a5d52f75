"""What a set holds, in memory: its shards, the live row of each image, the failures."""

import json
from collections.abc import Iterable, Sequence
from typing import Literal

from clip_prep_cli.samples.records import Failure, Record, Sample, sample_of
from clip_prep_cli.samples.roots import Identity, Roots
from clip_prep_cli.sets.layout import FileSum, file_sum
from clip_prep_cli.sets.live_rows import LiveRow, LiveRows
from clip_prep_cli.sets.manifest import Counts, Manifest, ShardEntry, read_indexes, reading
from clip_prep_cli.sets.names import FAILURES, MANIFEST, index_file, indexed_shards, own_files
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.storage.interface import Storage

Known = Literal["new", "unchanged"] | Failure


class Contents:
    """The shards of a set, replayed in order: of an image's rows the newest is the live one."""

    def __init__(self, roots: Iterable[str] = ()) -> None:
        self.roots = Roots(roots)
        self.shards: dict[int, ShardEntry] = {}
        self.live = LiveRows()
        self.failures: dict[Identity, Failure] = {}
        self.unplaced: list[Failure] = []
        """What failed in the last run before it had a place in a shard."""
        self.ignored = 0
        """Files that the last run passed over."""

    @property
    def next_number(self) -> int:
        """The number of the next shard."""
        return max(self.shards, default=-1) + 1

    def knows(self, sample: Sample, xxh128: int | None = None) -> Known:
        """Whether the sample is converted already, or new or changed; or how it failed before.

        Its size and time decide; if its `xxh128` is given, its content instead of the time.
        """
        failure = self.failures.get((sample.root, sample.path))
        if failure and _stat(failure.sample) == _stat(sample):
            return failure
        live = self.live.get(sample.root, sample.path)
        if live is None or live.size != sample.size:
            return "new"
        same = live.mtime_ns == sample.mtime_ns if xxh128 is None else live.xxh128 == xxh128
        return "unchanged" if same else "new"

    def add(self, entry: ShardEntry, rows: Iterable[tuple[Sample, int]]) -> None:
        """Take in the next shard; `rows` are its samples, and the xxh128 of each or 0.

        Raises:
            ValueError: a row names a root that is not there.
        """
        self.shards[entry.number] = entry
        roots = len(self.roots.paths)
        for row, (sample, xxh128) in enumerate(rows):
            if sample.root >= roots:
                raise ValueError(f"row {row} refers to root {sample.root}, which does not exist")
            if row in entry.superseded:  # pruned, if by nothing newer
                continue
            live = LiveRow(entry.number, row, sample.size, sample.mtime_ns, xxh128)
            if old := self.live.put(sample.root, sample.path, live):
                self.shards[old.shard].superseded.add(old.row)

    def note(self, results: Iterable[Record | Failure]) -> bool:
        """Keep the new failures, and drop those that were mended; whether that changed any."""
        changed = False
        for result in results:
            identity = result.sample.root, result.sample.path
            if isinstance(result, Failure):
                self.failures[identity] = result
                changed = True
            elif self.failures.pop(identity, None):
                changed = True
        return changed

    def prune(self, gone: Iterable[Identity]) -> None:
        """Let images go: their rows are superseded by nothing, their failures forgotten."""
        for identity in gone:
            self.failures.pop(identity, None)
            if live := self.live.pop(*identity):
                self.shards[live.shard].superseded.add(live.row)

    def forgive(self, mended: Iterable[Identity]) -> None:
        """Forget failures of images that are again what was converted before."""
        for identity in mended:
            self.failures.pop(identity, None)

    def end_scan(self, unplaced: Sequence[Failure], ignored: int) -> None:
        """Keep what a run met that belongs to no shard: failures, and how many ignored files."""
        self.unplaced = list(unplaced)
        self.ignored = ignored

    def drop(self, numbers: Sequence[int]) -> None:
        """Let shards go that have no live row; their failures move to the last that stays."""
        for number in numbers:
            del self.shards[number]
        last = max(self.shards)
        for identity, failure in self.failures.items():
            if failure.shard not in self.shards:
                self.failures[identity] = failure._replace(shard=last)

    def counts(self) -> Counts:
        """Totals for the manifest."""
        return Counts(
            samples=len(self.live),
            failures=len(self.failures) + len(self.unplaced),
            superseded=sum(len(entry.superseded) for entry in self.shards.values()),
            ignored=self.ignored,
        )


def load(directory: Storage, manifest: Manifest, *, checksums: bool = False) -> Contents:
    """The contents of the set in `directory`; with the xxh128 of its sources if asked for.

    Raises as `read_manifest`.
    """
    contents = Contents(manifest.roots)
    contents.ignored = manifest.counts.ignored
    listed = own_files(directory)
    for entry in manifest.shards:
        for name, file in entry.files.items():
            with reading(directory, name):
                # A store is not asked for each of them, since it has listed them.
                size = listed[name] if name in listed else directory.size(name)
                if size != file.size:
                    raise ValueError("its size does not match the manifest")
    for entry, index in read_indexes(directory, manifest.shards):
        with reading(directory, entry.index):
            contents.add(entry, _rows(index, checksums=checksums))
    first = contents.next_number
    for number in indexed_shards(listed):
        # Committed after the manifest was written. One below is left of a shard that was dropped.
        if number >= first:
            name = index_file(number)
            with reading(directory, name):
                content = directory.read(name)
                rows = _rows(content, checksums=checksums)
                entry = _entry(directory, manifest.settings, number, len(rows), content)
                contents.add(entry, rows)
    with reading(directory, FAILURES):
        _load_failures(directory, contents, manifest)
    return contents


def _stat(sample: Sample) -> tuple[int, int]:
    return sample.size, sample.mtime_ns


def _rows(index: bytes, *, checksums: bool) -> list[tuple[Sample, int]]:
    lines = json.loads(b"[" + b",".join(index.splitlines()) + b"]")
    return [(sample_of(f), int(f["xxh128"], 16) if checksums else 0) for f in lines]


def _entry(
    directory: Storage, settings: SetSettings, number: int, rows: int, index: bytes
) -> ShardEntry:
    """What the manifest would say of a shard that it does not name yet."""
    files = {}
    for layout in settings.layouts:
        name = layout.file(number)
        files[name] = file_sum(directory, name, rows * layout.row_bytes)
    files[index_file(number)] = FileSum.of(index)
    return ShardEntry(number, rows, files)


def _load_failures(directory: Storage, contents: Contents, manifest: Manifest) -> None:
    content = directory.read(FAILURES) if directory.exists(FAILURES) else b""
    if manifest.failures and manifest.failures != FileSum.of(content):
        raise ValueError(f"its checksum does not match {MANIFEST}")
    for failure in map(Failure.from_json, content.decode().splitlines()):
        if failure.shard is None:
            contents.unplaced.append(failure)
        elif failure.shard in contents.shards:  # else it was never committed
            contents.failures[failure.sample.root, failure.sample.path] = failure
