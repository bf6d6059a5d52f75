"""A tensor format that the package does not have: importing this file is all it takes."""

from clip_prep_cli.pixels.dtypes import ITEM_DTYPE
from clip_prep_cli.sets.tensor_files import register
from clip_prep_cli.storage.interface import Storage

_HEAD_BYTES = 64
_MARK = b"raw rows"
_END = b"the end"


class Raw:
    """A header of 64 bytes with the shape, the rows, and a mark at the end."""

    name = "raw"
    dtypes = tuple(ITEM_DTYPE)
    package = None

    def frame(self, shape: tuple[int, ...], dtype: str) -> tuple[bytes, bytes]:
        """The shape and the dtype in words; the mark."""
        return f"{_MARK.decode()} {dtype} {shape}".ljust(_HEAD_BYTES).encode(), _END

    def rows_begin(self, directory: Storage, name: str) -> int:
        """After the header, if there is one."""
        with directory.open(name) as file:
            if file.read(len(_MARK)) != _MARK:
                raise ValueError("it is not a file of raw rows")
        return _HEAD_BYTES


register(Raw())
