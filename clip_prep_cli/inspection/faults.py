"""What can be wrong with the files of a set, found by its checksums."""

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from xxhash import xxh3_64_hexdigest

from clip_prep_cli.errors import DamagedError
from clip_prep_cli.samples.records import Failure, Record
from clip_prep_cli.sets.layout import FileSum, Layout, file_sum, rows_begin
from clip_prep_cli.sets.manifest import Manifest, ShardEntry, read_index, reading
from clip_prep_cli.sets.names import FAILURES, INDEX, LOCK, MANIFEST, is_own
from clip_prep_cli.storage.interface import Storage

_LEFT = "left by a run that was interrupted; run the same command again"


class Fault(NamedTuple):
    """Something in a set that is not as it should be."""

    file: str
    """Below the set's directory."""
    row: int | None
    path: str | None
    """Of the row's image."""
    problem: str

    @property
    def left_over(self) -> bool:
        """Whether it is no damage, but what a killed run has left, which the next one removes."""
        return self.problem == _LEFT


def strangers(directory: Storage, manifest: Manifest) -> Iterator[Fault]:
    """What lies in the directory, and the manifest does not name."""
    known = {MANIFEST, FAILURES, LOCK}
    for entry in manifest.shards:
        known.update(entry.files)
    folders = {INDEX, *(layout.folder for layout in manifest.settings.layouts)}
    running = directory.is_held(LOCK)
    for name in sorted(set(_lying(directory, folders)) - known):
        if not is_own(PurePosixPath(name).name):
            yield Fault(name, None, None, "does not belong to the set")
        elif not running:
            yield Fault(name, None, None, _LEFT)


def _lying(directory: Storage, folders: set[str]) -> Iterator[str]:
    """What lies in the directory, and in these folders of it."""
    for entry in directory.entries():
        if entry.is_folder and entry.name in folders:
            yield from (f"{entry.name}/{inner.name}" for inner in directory.entries(entry.name))
        else:
            yield entry.name


def wrong_failures(directory: Storage, manifest: Manifest) -> Iterator[Fault]:
    """What is wrong with the list of failures."""
    if manifest.failures is None:  # a run is changing them, or was killed
        return
    try:
        with reading(directory, FAILURES):
            content = directory.read(FAILURES)
            if FileSum.of(content) != manifest.failures:
                raise ValueError("its checksum does not match the manifest")
            count = len([Failure.from_json(line) for line in content.decode().splitlines()])
            if count != manifest.counts.failures:
                raise ValueError("its number of lines does not match the manifest")
    except (DamagedError, OSError) as error:
        yield Fault(FAILURES, None, None, _words(error))


def wrong_in_shard(directory: Storage, manifest: Manifest, entry: ShardEntry) -> Iterator[Fault]:
    """All that is wrong with the files of a shard."""
    records: list[Record] = []
    try:
        with reading(directory, entry.index):
            records = _records(directory, manifest, entry)
    except (DamagedError, OSError) as error:
        yield Fault(entry.index, None, None, _words(error))
    for layout in manifest.settings.layouts:
        name = layout.file(entry.number)
        try:
            with reading(directory, name):
                expected = entry.files[name]
                found = file_sum(directory, name, entry.samples * layout.row_bytes)
                if found.size != expected.size:
                    raise ValueError(f"it has {found.size:,} bytes instead of {expected.size:,}")
                if found != expected:
                    yield Fault(name, None, None, "its header is damaged")
                for row in _wrong_rows(directory, layout, entry.number, records):
                    problem = "the row does not match its checksum"
                    yield Fault(name, row, records[row].sample.path, problem)
        except (DamagedError, OSError) as error:
            yield Fault(name, None, None, _words(error))


def _records(directory: Storage, manifest: Manifest, entry: ShardEntry) -> list[Record]:
    lines = read_index(directory, entry).splitlines()
    records = [Record.from_json(line) for line in lines]
    folders = {layout.folder for layout in manifest.settings.layouts}
    rows = [json.loads(line)["row"] for line in lines]
    if rows != list(range(entry.samples)) or any(set(r.rows) != folders for r in records):
        raise ValueError("its lines do not match the shard's rows")
    return records


def _wrong_rows(
    directory: Storage, layout: Layout, number: int, records: Sequence[Record]
) -> Iterator[int]:
    name = layout.file(number)
    begin = rows_begin(directory, name)
    with directory.open(name) as file:
        file.seek(begin)
        for row, record in enumerate(records):
            if xxh3_64_hexdigest(file.read(layout.row_bytes)) != record.rows[layout.folder]:
                yield row


def _words(error: DamagedError | OSError) -> str:
    return error.lines[0] if isinstance(error, DamagedError) else error.strerror or str(error)
