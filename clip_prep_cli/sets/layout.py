"""Where the rows of a set are: in which file, from which byte on, and what that file must be."""

import os
from dataclasses import dataclass
from math import prod
from typing import NamedTuple, Self

from xxhash import xxh3_128_hexdigest

from clip_prep_cli.pixels.dtypes import item_bytes
from clip_prep_cli.pixels.transforms import Transform
from clip_prep_cli.sets.names import folder_of, shard_name
from clip_prep_cli.sets.tensor_files import FORMATS
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


class Frame(NamedTuple):
    """What a tensor file has before its rows and after them."""

    head: bytes
    tail: bytes


@dataclass(frozen=True)
class Layout:
    """The tensor files of one transform: [rows, 3, height, width] of `dtype`."""

    transform: Transform
    dtype: str
    format: str

    @property
    def folder(self) -> str:
        """The set's folder for this transform."""
        return folder_of(self.transform)

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return prod(self.transform.shape) * item_bytes(self.dtype)

    def file(self, number: int) -> str:
        """The tensor file of shard `number`, below the set's directory."""
        return f"{self.folder}/{shard_name(number)}.{self.format}"

    def frame(self, rows: int) -> Frame:
        """Head and tail of a file of `rows` rows; the head's length is the same for any count."""
        return Frame(*FORMATS[self.format].frame((rows, *self.transform.shape), self.dtype))

    def file_bytes(self, rows: int) -> int:
        """The size of a file of `rows` rows."""
        head, tail = self.frame(rows)
        return len(head) + rows * self.row_bytes + len(tail)


def rows_begin(directory: Storage, name: str) -> int:
    """The byte of a tensor file at which its rows begin; see `TensorFormat.rows_begin`."""
    return FORMATS[name.rpartition(".")[2]].rows_begin(directory, name)


def file_sum(directory: Storage, name: str, rows_bytes: int) -> FileSum:
    """Size and checksum of a file with `rows_bytes` bytes of rows; raises as `rows_begin`."""
    begin = rows_begin(directory, name)
    with directory.open(name) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(min(begin, size))
        file.seek(min(begin + rows_bytes, size))
        return FileSum(size, xxh3_128_hexdigest(head + file.read()))
