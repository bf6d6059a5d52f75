"""Tensor files: reserved whole, filled row by row, sealed with their final count."""

import os
import struct
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import IO, NamedTuple, Self

from xxhash import xxh3_128_hexdigest

from clip_prep_cli.batch import Target
from clip_prep_cli.durable import (
    make_directory,
    pwrite_all,
    remove,
    reserve,
    storage_error,
    sync_directory,
)
from clip_prep_cli.location import Location, open_read

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "uint8": 1}
"""Bytes of one value, per output dtype."""

_PAGE = 4096
_NPY_DESCR = {"float32": "<f4", "float16": "<f2", "uint8": "|u1"}


class FileSum(NamedTuple):
    """What a file of a set must be: its size in bytes, and a checksum (xxh3_128, hex).

    The checksum of an index or of the failures is that of the whole file. Of a tensor file it is
    that of the bytes before and after the rows; the rows have their own, in the index.
    """

    size: int
    xxh128: str

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Of the whole of a file."""
        return cls(len(content), xxh3_128_hexdigest(content))


class Unnamed(NamedTuple):
    """A tensor file that is whole and durable, but still under its partial name."""

    partial: str
    """Below the set's directory."""
    sum: FileSum


class Frame(NamedTuple):
    """What a tensor file has before its rows and after them."""

    head: bytes
    tail: bytes


@dataclass(frozen=True)
class Layout:
    """The tensor files of one resolution: [rows, 3, n_px, n_px] of `dtype`."""

    n_px: int
    dtype: str
    format: str

    @property
    def folder(self) -> str:
        """The set's folder for this resolution."""
        return f"{self.n_px}px"

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return 3 * self.n_px * self.n_px * ITEM_BYTES[self.dtype]

    def file(self, number: int) -> str:
        """The tensor file of shard `number`, below the set's directory."""
        return f"{self.folder}/{shard_name(number)}.{self.format}"

    def frame(self, rows: int) -> Frame:
        """Head and tail of a file of `rows` rows; the head's length is the same for any count."""
        frame = _npy_frame if self.format == "npy" else _pt_frame
        return frame((rows, 3, self.n_px, self.n_px), self.dtype)

    def file_bytes(self, rows: int) -> int:
        """The size of a file of `rows` rows."""
        head, tail = self.frame(rows)
        return len(head) + rows * self.row_bytes + len(tail)


def shard_name(number: int) -> str:
    """How shard `number` is called in every folder of a set, without suffix."""
    return f"shard-{number:06d}"


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


def rows_begin(path: Location) -> int:
    """The byte of a tensor file at which its rows begin; they are contiguous.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no tensor file.
    """
    if path.suffix == ".npy":
        return _PAGE
    with open_read(path) as file:
        return _pt_data(file)


def file_sum(path: Location, rows_bytes: int) -> FileSum:
    """Size and checksum of a tensor file with `rows_bytes` bytes of rows, as it is stored.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no tensor file.
    """
    begin = rows_begin(path)
    with open_read(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(min(begin, size))
        file.seek(min(begin + rows_bytes, size))
        return FileSum(size, xxh3_128_hexdigest(head + file.read()))


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


def _npy_frame(shape: tuple[int, ...], dtype: str) -> Frame:
    """A version 1.0 header, padded to a page, so that rows lie well for mmap and direct I/O."""
    magic = b"\x93NUMPY\x01\x00"
    fields = f"{{'descr': '{_NPY_DESCR[dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
    length = _PAGE - len(magic) - 2
    return Frame(magic + struct.pack("<H", length) + fields.ljust(length - 1).encode() + b"\n", b"")


@cache
def _pt_frame(shape: tuple[int, ...], dtype: str) -> Frame:
    """The zip archive that `torch.save` makes, with a hole (never on disk) for the data."""
    import torch
    from torch.utils.serialization import config

    tensor = torch.empty(shape, dtype=getattr(torch, dtype))
    with tempfile.TemporaryFile() as file:
        # Records on page boundaries: the data begins at the same byte whatever the count is.
        patch = config.patch("save.storage_alignment", _PAGE)  # type: ignore[attr-defined]
        with patch, torch.serialization.skip_data():
            torch.save(tensor, file)
        begin = _pt_data(file)
        file.seek(0)
        head = file.read(begin)
        file.seek(begin + prod(shape) * ITEM_BYTES[dtype])
        return Frame(head, file.read())


def _pt_data(file: IO[bytes]) -> int:
    """Where the tensor's bytes begin in the zip archive that a `.pt` file is."""
    try:
        with zipfile.ZipFile(file) as archive:
            header_offset = archive.getinfo("archive/data/0").header_offset
        file.seek(header_offset)
        # A local file header: 30 bytes, of which the last two fields are lengths of what follows.
        name_length, extra_length = struct.unpack("<26xHH", file.read(30))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, struct.error) as error:
        raise ValueError(f"not an archive of torch.save ({error})") from error
    return header_offset + 30 + int(name_length) + int(extra_length)
