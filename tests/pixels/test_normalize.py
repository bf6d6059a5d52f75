"""The lookup tables against the oracle, value by value; test_against_torch.py has torch itself."""

import numpy as np
import pytest

from clip_prep_cli.pixels.normalize import denormalize, lookup_table, normalize
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import openai
from tests.support.oracle import DTYPES, encoded

EVERY_BYTE = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_table_is_the_oracles(dtype: str) -> None:
    """Every byte in every channel has the bits of ToTensor and Normalize."""
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
