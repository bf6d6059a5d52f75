"""Tensor files: reserved whole, filled row by row, sealed with their final count."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_128_hexdigest

from clip_prep_cli.sets.layout import FileSum, Layout
from clip_prep_cli.storage.durable import (
    make_directory,
    pwrite_all,
    remove,
    reserve,
    storage_error,
    sync_directory,
)


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
        # The process id keeps a worker that outlived its run away from the files of the next.
        suffix = f".{os.getpid() if token is None else token}.partial"
        needed = sum(layout.file_bytes(rows) for layout in layouts)
        try:
            for layout in layouts:
                path = directory / (layout.file(number) + suffix)
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
        """Fill a row from here, instead of by a worker.

        Raises:
            OSError: it cannot be written.
        """
        offset = len(layout.frame(self.rows).head) + row * layout.row_bytes
        pwrite_all(self._files[layout][0], data, offset)

    def seal(self, kept: Sequence[int], *, durable: bool = True) -> dict[str, FileSum]:
        """Make the rows `kept` (ascending) the file's rows, durable, under the final names.

        Files that do not stay here need not be durable.

        Returns:
            Each file, by its path below the set's directory.

        Raises:
            OSError: a file cannot be written.
        """
        sealed = {}
        for layout, (file, path) in list(self._files.items()):
            sealed[layout.file(self.number)] = _finish(file, layout, kept, durable=durable)
            os.replace(path, self._directory / layout.file(self.number))
            del self._files[layout]
            os.close(file)
            if durable:
                sync_directory(path.parent)
        return sealed

    def hand_over(self, kept: Sequence[int], *, durable: bool = True) -> dict[str, Unnamed]:
        """As `seal`, but for the renaming, which is left to the process that commits.

        Raises:
            OSError: a file cannot be written.
        """
        finished = {}
        for layout, (file, path) in self._files.items():
            partial = str(path.relative_to(self._directory))
            done = _finish(file, layout, kept, durable=durable)
            finished[layout.file(self.number)] = Unnamed(partial, done)
        for file, _ in self._files.values():
            os.close(file)
        self._files.clear()
        return finished

    def discard(self) -> None:
        """Give the space back; nothing of the shard remains."""
        for file, path in self._files.values():
            os.close(file)
            remove(path)
        self._files.clear()


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
