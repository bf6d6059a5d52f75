"""Resize and center crop: the choice between Pillow and the crop-only way must not show."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_prep_cli.pixels import resize
from clip_prep_cli.pixels.resize import resize_crop
from tests.support.images import KINDS, make_image, target_of

N_PX = 24
EXTREMES = [
    *((1, 1), (1, 300), (300, 1), (2, 3), (23, 23), (23, 24), (24, 23), (24, 24), (24, 25)),
    *((25, 24), (25, 25), (24, 27), (27, 24), (24, 200), (200, 24), (48, 48), (60, 121)),
]


def rgb_bytes(image: Image.Image) -> bytes:
    """What the next step of the transform makes of a cropped image."""
    return image.convert("RGB").tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", EXTREMES)
def test_both_ways_give_the_same_pixels(kind: str, size: tuple[int, int]) -> None:
    """Whether the resized image is made or only its crop, the pixels are the same."""
    image = make_image(kind, size, 1)
    whole = resize_crop(image, target_of(image.size, N_PX))
    with patch.object(resize, "MAX_RESIZED_PIXELS", 0):
        crop_only = resize_crop(image, target_of(image.size, N_PX))
    assert whole.size == crop_only.size == (N_PX, N_PX)
    assert rgb_bytes(crop_only) == rgb_bytes(whole)


@pytest.mark.parametrize("size", [(24, 24), (24, 61), (61, 24)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_of_the_right_size_is_only_cropped(kind: str, size: tuple[int, int]) -> None:
    """Nothing is resampled, so the middle of the image comes out untouched, in its own mode."""
    image = make_image(kind, size, 0)
    left, top = round((size[0] - N_PX) / 2), round((size[1] - N_PX) / 2)
    middle = image.crop((left, top, left + N_PX, top + N_PX))
    found = resize_crop(image, target_of(image.size, N_PX))
    assert found.mode == image.mode
    assert found.tobytes() == middle.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_mode_stays(kind: str) -> None:
    """Conversion to RGB is a later step; done before the resize it would change the pixels."""
    image = make_image(kind, (50, 70), 0)
    assert resize_crop(image, target_of(image.size, N_PX)).mode == image.mode


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(KINDS), st.tuples(st.integers(1, 60), st.integers(1, 60)), st.integers(0, 9))
def test_the_image_given_is_not_changed(kind: str, size: tuple[int, int], seed: int) -> None:
    """One decoded image serves several resolutions."""
    image, same = make_image(kind, size, seed), make_image(kind, size, seed)
    resize_crop(image, target_of(image.size, N_PX))
    assert (image.mode, image.size, image.tobytes()) == (same.mode, same.size, same.tobytes())
    assert image.info == same.info
