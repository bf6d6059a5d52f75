"""The whole transform against the oracle, byte for byte; test_against_torch.py holds both to it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_prep_cli.pixels.models import MODELS
from clip_prep_cli.pixels.native import Kernel, kernels
from clip_prep_cli.pixels.pipeline import Pipeline
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.resize import resample_crop
from clip_prep_cli.pixels.transforms import openai
from tests.support.images import (
    KINDS,
    SAMPLES,
    WAYS,
    converted,
    make_image,
    shapes_around,
    target_of,
)
from tests.support.oracle import (
    DTYPES,
    encoded,
    expected,
    reference_pixels,
)

pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")

SIDES = st.integers(1, 120)
SHAPES = st.one_of(
    st.tuples(SIDES, SIDES),
    st.tuples(SIDES, st.integers(200, 900)),
    st.tuples(st.integers(200, 900), SIDES),
)

SIZES = sorted({transform.side for transform in MODELS.values()})

BY_KERNELS = ("RGB", "L")
CASES = [
    *(pytest.param(kind, None, id=f"{kind}-pillow") for kind in KINDS),
    *(pytest.param(k, kernel, id=f"{k}-{kernel.name}") for k in BY_KERNELS for kernel in kernels()),
]
"""Every mode through Pillow, and what the native kernels take through each of them."""


@pytest.mark.parametrize(("kind", "kernel"), CASES)
@settings(deadline=None, max_examples=25)
@given(size=SHAPES, n_px=st.integers(1, 64), seed=st.integers(0, 9))
@example(size=(31, 400), n_px=24, seed=1)
@example(size=(30, 3001), n_px=24, seed=0)  # Pillow 12 turns the passes from 100 : 1 on
def test_any_image_becomes_the_reference_tensor(
    kind: str, kernel: Kernel | None, size: tuple[int, int], n_px: int, seed: int
) -> None:
    """Every mode, random shapes, random resolutions, every dtype, every kernel."""
    image, dtype = make_image(kind, size, seed), DTYPES[seed % len(DTYPES)]
    assert converted(image, n_px, dtype, kernel) == expected(image, n_px, dtype)


@pytest.mark.parametrize("n_px", SIZES)
def test_shapes_around_each_models_resolution(n_px: int) -> None:
    """Smaller, exact, one pixel off, exact on one side, odd and even margins, tall and wide."""
    for seed, size in enumerate(shapes_around(n_px)):
        image = make_image("RGB", size, seed)
        wanted = expected(image, n_px)
        for kernel in WAYS:
            assert converted(image, n_px, kernel=kernel) == wanted, (size, kernel)


@pytest.mark.parametrize(("kind", "kernel"), CASES)
def test_shapes_around_a_small_resolution_in_every_mode(kind: str, kernel: Kernel | None) -> None:
    """The same shapes in every mode and dtype."""
    for seed, size in enumerate(shapes_around(24)):
        image = make_image(kind, size, seed)
        pixels = reference_pixels(image, 24)
        for dtype in DTYPES:
            wanted = encoded(pixels, dtype)
            assert converted(image, 24, dtype, kernel) == wanted, (size, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_in_every_dtype(model: str, dtype: str) -> None:
    """The nine models and the four dtypes, on an image of ordinary shape."""
    image = make_image("RGB", (500, 375), 0)
    wanted = expected(image, MODELS[model].side, dtype)
    for kernel in WAYS:
        assert converted(image, MODELS[model].side, dtype, kernel) == wanted, kernel


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_images(name: str, sample_images: Path) -> None:
    """Each sample image, as Pillow opens it, at the smallest and the largest resolution."""
    with Image.open(sample_images / name) as ours, Image.open(sample_images / name) as theirs:
        for n_px in (224, 448):
            wanted = expected(theirs, n_px)
            for kernel in WAYS:
                assert converted(ours, n_px, kernel=kernel) == wanted, (n_px, kernel)


@pytest.mark.parametrize("kernel", kernels())
@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (4, 60_000), (3000, 2000)])
def test_kernels_agree_with_the_numpy_way_on_extremes(
    size: tuple[int, int], kernel: Kernel
) -> None:
    """Where the reference itself would take gigabytes: what test_resize.py checks in parts."""
    image = make_image("RGB", size, 1)
    cropped = resample_crop(image, target_of(size, 224))
    assert converted(image, 224, kernel=kernel) == encoded(np.array(cropped), "float32")


@pytest.mark.parametrize("kernel", WAYS)
def test_a_side_too_long_for_any_computer_is_refused(kernel: Kernel | None) -> None:
    """An error, not a crash, and not a row of something else."""
    with pytest.raises(OverflowError, match="too large"):
        converted(Image.new("L", (1, 5_000_000)), 224, kernel=kernel)


def test_one_image_serves_all_resolutions() -> None:
    """What is made for one resolution does not depend on those made before it."""
    image = make_image("RGBA", (300, 700), 3)
    for n_px in (448, 224, 336):
        assert converted(image, n_px) == expected(make_image("RGBA", (300, 700), 3), n_px)


def test_every_value_of_the_row_is_written() -> None:
    """A buffer that still holds the previous image's row is overwritten entirely."""
    image = make_image("L", (30, 20), 0)
    out = np.full((3, 16, 16), np.nan, np.float32)
    Pipeline(openai(16), "float32", OPENAI).fill(image, out)
    assert out.tobytes() == expected(image, 16)


def test_a_mode_without_conversion_is_refused() -> None:
    """What the reference cannot convert to RGB is an error here as well, not a wrong tensor."""
    image = make_image("LA", (30, 20), 0).convert("La")
    with pytest.raises(ValueError, match="not supported"):
        expected(image, 16)
    with pytest.raises(ValueError, match="not supported"):
        converted(image, 16)
