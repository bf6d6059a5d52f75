"""A second reference, and a second transform: values alone, and every step follows them."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clip_prep_cli.pixels.native import Kernel, kernels
from clip_prep_cli.pixels.normalize import denormalize, lookup_table
from clip_prep_cli.pixels.pipeline import Pipeline
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import Transform, openai
from tests.support.images import KINDS, by_reference, make_image

WAYS = (None, *kernels())


def to_rgb(image: Image.Image) -> Image.Image:
    """The conversion, before the resize."""
    return image.convert("RGB")


def floored(excess: int) -> int:
    """Another rounding of the crop's offset."""
    return excess // 2


def fused(levels: Any, mean: Any, std: Any) -> Any:
    """Another arithmetic of the values."""
    return (levels - 255 * mean) / (255 * std)


OTHER = replace(OPENAI, name="other", before_resize=to_rgb, crop_offset=floored, normalize=fused)


def test_it_can_be_sent_to_workers() -> None:
    """The functions of a reference survive pickling, and the copy is equal to it."""
    assert pickle.loads(pickle.dumps(OPENAI)) == OPENAI  # noqa: S301 - made right here
    assert OPENAI != OTHER


@pytest.mark.parametrize("kernel", WAYS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("I;16B", "I", "F")])
def test_each_step_is_that_of_the_reference(kind: str, kernel: Kernel | None) -> None:
    """RGB comes first, the offset is floored, the values are fused: here by Pillow and NumPy."""
    image = make_image(kind, (27, 24), 0)  # nothing to resize but the crop: 3 pixels too many
    pixels = np.asarray(image.convert("RGB").crop((1, 0, 25, 24)), np.float32)
    mean, std = (np.array(each, np.float32) for each in (openai(24).mean, openai(24).std))
    wanted = ((pixels - 255 * mean) / (255 * std)).transpose(2, 0, 1)
    found = by_reference(OTHER, image, Pipeline(openai(24), "float32", OTHER, kernel))
    assert found == wanted.tobytes()
    assert by_reference(OPENAI, image, Pipeline(openai(24), "float32", OPENAI, kernel)) != found


@pytest.mark.parametrize("kernel", WAYS)
def test_rgb_first_shows_in_a_resize(kernel: Kernel | None) -> None:
    """A palette image is resized smoothly once it is RGB; its indexes never are."""
    image = make_image("P", (60, 50), 0)
    rgb = image.convert("RGB").resize((28, 24), Image.Resampling.BICUBIC).crop((2, 0, 26, 24))
    row = by_reference(OTHER, image, Pipeline(openai(24), "uint8", OTHER, kernel))
    assert row == np.asarray(rgb).transpose(2, 0, 1).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_other_statistics(dtype: str) -> None:
    """The table is that of the transform's own mean and std, and leads back to the same pixels."""
    half = Transform(4, 4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    table = lookup_table(half, "float32", OPENAI)
    assert (table[:, 0].tolist(), table[:, 255].tolist()) == ([-1.0] * 3, [1.0] * 3)
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    row = by_reference(OPENAI, pixels, Pipeline(half, dtype, OPENAI))
    assert np.array_equal(denormalize(row, half, dtype, OPENAI), pixels)
