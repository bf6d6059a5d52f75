"""The dtypes of rows; without NumPy, which the command line starts without."""

from types import MappingProxyType

ITEM_DTYPE = MappingProxyType(
    {"float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "uint8": "|u1"}
)
"""Output dtype -> the NumPy dtype that holds its bits (NumPy itself has no bfloat16)."""


def item_bytes(dtype: str) -> int:
    """The size of one value in bytes."""
    return int(ITEM_DTYPE[dtype][-1])
