"""Where the rows of a set are: in which file, from which byte on, and what that file must be."""

import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple, Self

from xxhash import xxh3_128_hexdigest

from clip_prep_cli.sets.names import shard_name
from clip_prep_cli.sets.tensor_files import (
    _PAGE,
    ITEM_BYTES,
    Frame,
    _npy_frame,
    _pt_data,
    _pt_frame,
)
from clip_prep_cli.storage.interface import Storage


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


def rows_begin(directory: Storage, name: str) -> int:
    """The byte of a tensor file at which its rows begin; they are contiguous.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no tensor file.
    """
    if PurePosixPath(name).suffix == ".npy":
        return _PAGE
    with directory.open(name) as file:
        return _pt_data(file)


def file_sum(directory: Storage, name: str, rows_bytes: int) -> FileSum:
    """Size and checksum of a tensor file with `rows_bytes` bytes of rows, as it is stored.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no tensor file.
    """
    begin = rows_begin(directory, name)
    with directory.open(name) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(min(begin, size))
        file.seek(min(begin + rows_bytes, size))
        return FileSum(size, xxh3_128_hexdigest(head + file.read()))
