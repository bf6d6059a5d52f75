"""The lookup tables against torch, value by value."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from clip_prep_cli.pixels import normalize as module
from clip_prep_cli.pixels.normalize import denormalize, lookup_table, normalize
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import openai
from tests.support.oracle import DTYPES, encoded

EVERY_BYTE = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_table_is_what_torch_computes(dtype: str) -> None:
    """Every byte in every channel has the bits of ToTensor and Normalize, cast by torch."""
    table = lookup_table(openai(16), dtype, OPENAI)
    assert table.shape == (3, 256)
    assert table.tobytes() == encoded(EVERY_BYTE, dtype)


@pytest.mark.parametrize(
    ("dtype", "item"),
    [("float32", "<f4"), ("float16", "<f2"), ("bfloat16", "<u2"), ("uint8", "u1")],
)
def test_table_is_little_endian(dtype: str, item: str) -> None:
    """The bytes on disk do not depend on the machine."""
    assert lookup_table(openai(16), dtype, OPENAI).dtype == np.dtype(item)


@pytest.mark.parametrize("dtype", DTYPES)
def test_table_cannot_be_changed(dtype: str) -> None:
    """The table is shared by all images of a process; writing to it is an error."""
    with pytest.raises(ValueError, match="read-only"):
        lookup_table(openai(16), dtype, OPENAI)[0, 0] = 0


def test_an_unknown_dtype_is_refused() -> None:
    """There is no table for a dtype that no shard can hold."""
    with pytest.raises(KeyError):
        lookup_table(openai(16), "float64", OPENAI)


@given(
    arrays(np.float32, 8, elements=st.floats(width=32, allow_nan=False))
    | arrays(np.uint32, 8, elements=st.integers(0, 1 << 15).map(lambda n: 0x3F800000 + (n << 15)))
)
def test_bfloat16_rounds_as_torch_does(values: NDArray[Any]) -> None:
    """Ties included: the second strategy makes nothing but exact values and ties."""
    floats = values.view(np.float32)
    bits = torch.from_numpy(floats).bfloat16().view(torch.int16).numpy()
    assert module._bfloat16_bits(floats).tobytes() == bits.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize_looks_pixels_up_channel_by_channel(dtype: str) -> None:
    """Rows of pixels become planes of channels, none mixed up, none left out."""
    pixels = np.random.default_rng(0).integers(0, 256, (31, 31, 3), dtype=np.uint8)
    table = lookup_table(openai(16), dtype, OPENAI)
    out = np.empty((3, 31, 31), table.dtype)
    normalize(pixels, table, out)
    assert out.tobytes() == encoded(pixels, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_denormalize_gives_the_pixels_back(dtype: str) -> None:
    """Every byte in every channel; in bfloat16 another of the same value may come back."""
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    table = lookup_table(openai(16), dtype, OPENAI)
    row, again = np.empty((3, 16, 16), table.dtype), np.empty((3, 16, 16), table.dtype)
    normalize(pixels, table, row)
    back = denormalize(row.tobytes(), openai(16), dtype, OPENAI)
    normalize(back, table, again)
    assert again.tobytes() == row.tobytes()
    differences = np.abs(back.astype(int) - pixels)
    assert differences.max() <= (1 if dtype == "bfloat16" else 0)
