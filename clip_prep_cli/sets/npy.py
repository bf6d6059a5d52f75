"""Tensor files for `numpy.load`."""

import struct

from clip_prep_cli.pixels.dtypes import ITEM_DTYPE
from clip_prep_cli.storage.interface import Storage

_HEAD_BYTES = 4096
"""A page, so that rows are aligned for mmap and direct I/O."""


class Npy:
    """NumPy's format, version 1.0, with a header that is padded to a page."""

    name = "npy"
    dtypes = ("float32", "float16", "uint8")
    package = None

    def frame(self, shape: tuple[int, ...], dtype: str) -> tuple[bytes, bytes]:
        """The header, and nothing."""
        magic = b"\x93NUMPY\x01\x00"
        fields = f"{{'descr': '{ITEM_DTYPE[dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
        length = _HEAD_BYTES - len(magic) - 2
        return magic + struct.pack("<H", length) + fields.ljust(length - 1).encode() + b"\n", b""

    def rows_begin(self, directory: Storage, name: str) -> int:
        """After the header; the file is not read."""
        del directory, name
        return _HEAD_BYTES
