"""`ToTensor` and `Normalize` as one table: each output depends on one byte and its channel."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_prep_cli.pixels.dtypes import ITEM_DTYPE
from clip_prep_cli.pixels.references import Reference
from clip_prep_cli.pixels.transforms import Transform


@cache
def lookup_table(transform: Transform, dtype: str, reference: Reference) -> NDArray[Any]:
    """The value of every byte in every channel: shape [3, 256], read-only.

    float32 is the byte normalized by the reference. float16 and bfloat16 are that value rounded
    half to even; bfloat16 comes as its bits in uint16. uint8 is the byte itself.

    Raises:
        KeyError: `dtype` is not in `ITEM_DTYPE`.
    """
    levels = np.arange(256, dtype=np.float32)
    mean, std = (np.array(c, dtype=np.float32)[:, None] for c in (transform.mean, transform.std))
    values: NDArray[Any] = reference.normalize(levels, mean, std)
    if dtype == "uint8":
        values = np.tile(levels, (3, 1))
    elif dtype == "bfloat16":
        values = _bfloat16_bits(values)
    table = values.astype(ITEM_DTYPE[dtype])
    table.setflags(write=False)
    return table


def normalize(pixels: NDArray[np.uint8], table: NDArray[Any], out: NDArray[Any]) -> None:
    """Look `pixels` [h, w, 3] up in `table` [3, 256] into `out` [3, h, w] of the table's dtype."""
    for channel in range(3):
        # "clip" lets take() write straight into `out`; a byte is always within 256 entries.
        np.take(table[channel], pixels[..., channel], out=out[channel], mode="clip")


def denormalize(
    row: bytes, transform: Transform, dtype: str, reference: Reference
) -> NDArray[np.uint8]:
    """The pixels [h, w, 3] from which `normalize` made a row with these bytes.

    In bfloat16 a few pairs of neighbouring bytes have one value; the lower byte is returned.

    Raises:
        KeyError: `dtype` is not in `ITEM_DTYPE`.
    """
    stored = np.frombuffer(row, ITEM_DTYPE[dtype]).reshape(transform.shape)
    values = _as_float32(stored, dtype)
    table = _as_float32(lookup_table(transform, dtype, reference), dtype)
    pixels = np.empty((transform.height, transform.width, 3), np.uint8)
    for channel in range(3):
        # A value belongs to the entry that is nearest: it lies between two midpoints.
        midpoints = (table[channel, 1:] + table[channel, :-1]) / 2
        pixels[..., channel] = np.searchsorted(midpoints, values[channel])
    return pixels


def _as_float32(values: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    if dtype == "bfloat16":  # its bits are the upper half of a float32's
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)


def _bfloat16_bits(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The upper half of each float32, rounded half to even, as `Tensor.bfloat16()` does."""
    bits = values.view(np.uint32)
    to_even = (bits >> 16) & 1
    return ((bits + 0x7FFF + to_even) >> 16).astype(np.uint16)
