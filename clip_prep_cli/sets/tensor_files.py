"""The formats of tensor files: what stands before and after the rows."""

import struct
import tempfile
import zipfile
from functools import cache
from math import prod
from typing import IO, NamedTuple

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "uint8": 1}
"""Bytes of one value, per output dtype."""


_PAGE = 4096


_NPY_DESCR = {"float32": "<f4", "float16": "<f2", "uint8": "|u1"}


class Frame(NamedTuple):
    """What a tensor file has before its rows and after them."""

    head: bytes
    tail: bytes


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
        raise ValueError(f"not a file written by torch.save ({error})") from error
    return header_offset + 30 + int(name_length) + int(extra_length)
