"""Tensor files for `torch.load`."""

import struct
import tempfile
import zipfile
from functools import cache
from math import prod
from typing import IO

from clip_prep_cli.pixels.dtypes import ITEM_DTYPE, item_bytes
from clip_prep_cli.storage.interface import Storage

_ALIGNMENT = 4096
"""A page, so that rows are aligned for mmap and direct I/O, and begin there for any count."""


class Pt:
    """The zip archive that `torch.save` makes, with one tensor."""

    name = "pt"
    dtypes = tuple(ITEM_DTYPE)
    package = "torch"

    def frame(self, shape: tuple[int, ...], dtype: str) -> tuple[bytes, bytes]:
        """The members before the data and its local header; those after it and the directory."""
        return _around_data(shape, dtype)

    def rows_begin(self, directory: Storage, name: str) -> int:
        """Where the archive has the data."""
        with directory.open(name) as file:
            return _data_begin(file)


@cache
def _around_data(shape: tuple[int, ...], dtype: str) -> tuple[bytes, bytes]:
    """What `torch.save` writes before and after the data, which is a hole and never on disk."""
    import torch
    from torch.utils.serialization import config

    tensor = torch.empty(shape, dtype=getattr(torch, dtype))
    with tempfile.TemporaryFile() as file:
        patch = config.patch("save.storage_alignment", _ALIGNMENT)  # type: ignore[attr-defined]
        with patch, torch.serialization.skip_data():
            torch.save(tensor, file)
        begin = _data_begin(file)
        file.seek(0)
        head = file.read(begin)
        file.seek(begin + prod(shape) * item_bytes(dtype))
        return head, file.read()


def _data_begin(file: IO[bytes]) -> int:
    """Where the tensor's bytes begin in the archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            header_offset = archive.getinfo("archive/data/0").header_offset
        file.seek(header_offset)
        # A local file header: 30 bytes; the last two fields are lengths of what follows.
        name_length, extra_length = struct.unpack("<26xHH", file.read(30))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, struct.error) as error:
        raise ValueError(f"not a file written by torch.save ({error})") from error
    return header_offset + 30 + int(name_length) + int(extra_length)
