"""Rows and the oracle against torch and torchvision themselves: the reference, byte for byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("torch")

import torch

from clip_prep_cli.pixels import normalize as module
from clip_prep_cli.pixels.models import MODELS
from clip_prep_cli.pixels.normalize import lookup_table
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import openai
from tests.support.images import KINDS, SAMPLES, WAYS, converted, make_image, shapes_around
from tests.support.oracle import DTYPES, encoded, reference_pixels
from tests.support.torch_oracle import reference, torch_encoded, torchvision_transform

pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")

EVERY_BYTE = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_byte_is_what_torch_computes(dtype: str) -> None:
    """In every channel, the table and the oracle have torch's bits, cast by torch."""
    wanted = torch_encoded(EVERY_BYTE, dtype)
    assert lookup_table(openai(16), dtype, OPENAI).tobytes() == wanted
    assert encoded(EVERY_BYTE, dtype) == wanted


@given(
    arrays(np.float32, 8, elements=st.floats(width=32, allow_nan=False))
    | arrays(np.uint32, 8, elements=st.integers(0, 1 << 15).map(lambda n: 0x3F800000 + (n << 15)))
)
def test_bfloat16_rounds_as_torch_does(values: NDArray[Any]) -> None:
    """Ties included: the second strategy makes nothing but exact values and ties."""
    floats = values.view(np.float32)
    bits = torch.from_numpy(floats).bfloat16().view(torch.int16).numpy()
    assert module._bfloat16_bits(floats).tobytes() == bits.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_any_image_becomes_torchs_tensor(kind: str) -> None:
    """Every mode, dtype and way to resize, at the sizes where the transform changes its ways."""
    for seed, size in enumerate(shapes_around(24)):
        image = make_image(kind, size, seed)
        pixels = reference_pixels(image, 24)
        for dtype in DTYPES:
            wanted = torch_encoded(pixels, dtype)
            for kernel in WAYS if kind in {"RGB", "L"} else (None,):
                assert converted(image, 24, dtype, kernel) == wanted, (size, dtype, kernel)


@pytest.mark.parametrize("kind", KINDS)
def test_oracle_is_what_torchvision_computes(kind: str) -> None:
    """The oracle of these tests is torchvision's transform, bit for bit, in every mode."""
    transform = torchvision_or_skip(24)
    for seed, size in enumerate([*shapes_around(24), (500, 375), (300, 800)]):
        image = make_image(kind, size, seed)
        assert reference(image, 24).numpy().tobytes() == transform(image).numpy().tobytes(), size


@pytest.mark.parametrize("n_px", sorted(set(MODELS.values())))
def test_oracle_is_what_torchvision_computes_for_each_model(n_px: int) -> None:
    """The oracle is torchvision's transform at the models' resolutions as well."""
    transform = torchvision_or_skip(n_px)
    for seed, size in enumerate([(500, 375), (301, 800), (n_px, n_px + 3), (9, 10)]):
        image = make_image("RGB", size, seed)
        assert reference(image, n_px).numpy().tobytes() == transform(image).numpy().tobytes(), size


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_images_against_torchvision(name: str, sample_images: Path) -> None:
    """Each sample image becomes what torchvision makes of it."""
    transform = torchvision_or_skip(336)
    with Image.open(sample_images / name) as ours, Image.open(sample_images / name) as theirs:
        assert converted(ours, 336) == transform(theirs).numpy().tobytes()


def torchvision_or_skip(n_px: int) -> Callable[[Image.Image], Any]:
    """Torchvision's own transform."""
    transform: Callable[[Image.Image], Any] | None = torchvision_transform(n_px)
    if transform is None:
        pytest.skip("torchvision cannot be imported")
    return transform
