"""Tensor files: reserved whole, filled row by row, sealed with their final count."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_128_hexdigest

from clip_prep_cli.sets.layout import FileSum, Layout
from clip_prep_cli.storage.durable import (
    make_directory,
    partial_name,
    pwrite_all,
    remove,
    reserve,
    storage_error,
)
from clip_prep_cli.storage.interface import Storage


class Target(NamedTuple):
    """A reserved file: row r of the shard begins at byte `offset` + r * (bytes of a row)."""

    path: str
    offset: int


class Unnamed(NamedTuple):
    """A tensor file that is whole and durable, but still under its partial name."""

    partial: str
    """Below the set's directory."""
    sum: FileSum


class Shard:
    """The tensor files of one shard while they are written: `*.partial` until they are sealed."""

    def __init__(
        self,
        directory: Path,
        number: int,
        rows: int,
        layouts: Sequence[Layout],
        token: int | None = None,
    ) -> None:
        """Reserve the files, whole; `token` is in their partial names.

        Raises:
            CannotContinueError: there is no space for them.
        """
        self.number = number
        self.rows = rows
        self._directory = directory
        self._files: dict[Layout, tuple[int, Path]] = {}
        needed = sum(layout.file_bytes(rows) for layout in layouts)
        try:
            for layout in layouts:
                path = directory / partial_name(layout.file(number), token)
                make_directory(path.parent)
                self._files[layout] = reserve(path, layout.file_bytes(rows)), path
        except OSError as error:
            self.discard()
            raise storage_error(error, directory, needed) from error

    def targets(self) -> tuple[Target, ...]:
        """Where a worker writes rows, per resolution."""
        return tuple(
            Target(str(path), len(layout.frame(self.rows).head))
            for layout, (_, path) in self._files.items()
        )

    def write(self, layout: Layout, row: int, data: bytes) -> None:
        """Fill a row from here, instead of by a worker; OSError if it cannot be written."""
        offset = len(layout.frame(self.rows).head) + row * layout.row_bytes
        pwrite_all(self._files[layout][0], data, offset)

    def seal(self, kept: Sequence[int], out: Storage) -> dict[str, FileSum]:
        """Make the rows `kept` (ascending) those of files of `out`; each, by its final name.

        OSError if one cannot be written, StoreError if it cannot be uploaded.
        """
        return self._deliver(kept, out, {at: at.file(self.number) for at in self._files})

    def hand_over(self, kept: Sequence[int], out: Storage) -> dict[str, Unnamed]:
        """As `seal`, but for the final names, which are left to the process that commits."""
        names = {
            layout: path.relative_to(self._directory).as_posix()
            for layout, (_, path) in self._files.items()
        }
        sums = self._deliver(kept, out, names)
        return {at.file(self.number): Unnamed(name, sums[name]) for at, name in names.items()}

    def discard(self) -> None:
        """Give the space back; nothing of the shard remains but what was delivered."""
        for file, path in self._files.values():
            os.close(file)
            remove(path)
        self._files.clear()

    def _deliver(
        self, kept: Sequence[int], out: Storage, names: Mapping[Layout, str]
    ) -> dict[str, FileSum]:
        stays = self._directory == out.here
        sums = {}
        for layout, (file, _) in self._files.items():
            # What is uploaded from here need not be durable here.
            sums[names[layout]] = _finish(file, layout, kept, durable=stays)
        out.adopt({names[layout]: path for layout, (_, path) in self._files.items()})
        if stays:
            for file, _ in self._files.values():
                os.close(file)
            self._files.clear()
        self.discard()
        return sums


def _finish(file: int, layout: Layout, kept: Sequence[int], *, durable: bool) -> FileSum:
    """Make the rows `kept` the file's rows."""
    head, tail = layout.frame(len(kept))
    _close_up(file, kept, layout.row_bytes, len(head))
    end = len(head) + len(kept) * layout.row_bytes
    pwrite_all(file, head, 0)
    pwrite_all(file, tail, end)
    os.ftruncate(file, end + len(tail))
    if durable:
        os.fsync(file)
    return FileSum(end + len(tail), xxh3_128_hexdigest(head + tail))


def _close_up(file: int, kept: Sequence[int], row_bytes: int, offset: int) -> None:
    """Move rows up over those that are missing, in order."""
    for row, source in enumerate(kept):
        if row != source:
            data = os.pread(file, row_bytes, offset + source * row_bytes)
            pwrite_all(file, data, offset + row * row_bytes)
