"""The reading side of a set: its live images, their records and rows, wherever they are."""

import hashlib
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from xxhash import xxh3_64_hexdigest, xxh3_128

from clip_prep_cli.errors import DamagedError
from clip_prep_cli.samples.records import Failure, Record
from clip_prep_cli.samples.roots import joined
from clip_prep_cli.sets.layout import Layout, rows_begin
from clip_prep_cli.sets.manifest import manifest_of, read_indexes, reading
from clip_prep_cli.sets.names import FAILURES, MANIFEST, index_file
from clip_prep_cli.storage.interface import Storage


class RowNumber(NamedTuple):
    """A row of a set: its shard, and its number there."""

    shard: int
    row: int


class StoredSet:
    """A set as its manifest has it at this moment; images are numbered in the order of rows.

    What reads raises DamagedError if a file is not as it was written, OSError if it cannot be read.
    """

    def __init__(self, directory: Storage) -> None:
        """Read the manifest, nothing else yet; CannotContinueError if there is none."""
        self.directory = directory
        self.manifest = manifest_of(directory)
        self.rows = StoredRows(directory)
        self._shards, self._rows = array("Q"), array("Q")
        for entry in self.manifest.shards:
            live = [row for row in range(entry.samples) if row not in entry.superseded]
            self._rows.extend(live)
            self._shards.extend([entry.number] * len(live))

    def __len__(self) -> int:
        return len(self._rows)

    def place(self, number: int) -> RowNumber:
        """The row of image `number`, from 0 on."""
        return RowNumber(self._shards[number], self._rows[number])

    def record(self, number: int) -> Record:
        """What is known of image `number`."""
        return self.rows.record(*self.place(number))

    def records(self) -> Iterator[Record]:
        """What is known of every image, in the order of their numbers; one index at a time."""
        for entry, index in read_indexes(self.directory, self.manifest.shards):
            with reading(self.directory, entry.index):
                for row, line in enumerate(index.splitlines()):
                    if row not in entry.superseded:
                        yield Record.from_json(line)

    def source(self, record: Record | Failure) -> str:
        """The absolute path of an image's file, as it was when it was converted."""
        return joined(self.manifest.roots[record.sample.root], record.sample.path)

    def failures(self) -> Iterator[Failure]:
        """What could not be converted."""
        if self.manifest.failures is None and not self.directory.exists(FAILURES):
            return  # a run is at work, or was cut short, before anything had failed
        with reading(self.directory, FAILURES), self.directory.open(FAILURES) as lines:
            if expected := self.manifest.failures:
                if hashlib.file_digest(lines, xxh3_128).hexdigest() != expected.xxh128:
                    raise ValueError(f"its checksum does not match {MANIFEST}")
                lines.seek(0)
            yield from map(Failure.from_json, lines)


class StoredRows:
    """Random access to a set; it keeps where things begin, 8 bytes a row, and no file open.

    Every method raises DamagedError if what it reads is not as it was written, and OSError if it
    cannot be read.
    """

    def __init__(self, directory: Storage) -> None:
        self._directory = directory
        self._lines: dict[int, array[int]] = {}
        self._begins: dict[str, int] = {}

    def record(self, shard: int, row: int) -> Record:
        """The record of a row; the index's checksum is not looked at, see `StoredSet.records`."""
        name = index_file(shard)
        with reading(self._directory, name), self._directory.open(name) as file:
            if shard not in self._lines:
                begins = array("Q", [0])
                for line in file:
                    begins.append(begins[-1] + len(line))
                self._lines[shard] = begins
            begins = self._lines[shard]
            file.seek(begins[row])
            return Record.from_json(file.read(begins[row + 1] - begins[row]))

    def row(self, layout: Layout, shard: int, row: int, record: Record) -> bytes:
        """The bytes of a row, which are those that `record` has the checksum of."""
        name = layout.file(shard)
        with reading(self._directory, name):
            if name not in self._begins:
                self._begins[name] = rows_begin(self._directory, name)
            with self._directory.open(name) as file:
                file.seek(self._begins[name] + row * layout.row_bytes)
                data = file.read(layout.row_bytes)
        if xxh3_64_hexdigest(data) != record.rows[layout.folder]:
            path = self._directory.at(name)
            raise DamagedError(
                f"{path}: row {row} ({record.sample.path}) does not match its checksum.",
                "Restore the file from a backup, or start over with --overwrite.",
            )
        return data
