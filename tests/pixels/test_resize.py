"""Resize and center crop, byte for byte Pillow's, whichever way they are done."""

import subprocess
import sys
from unittest.mock import patch

import PIL
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_prep_cli.pixels import resize
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.resize import resample_crop, resize_crop
from tests.support.images import KINDS, make_image, target_of

SIDES = st.integers(1, 90)
LONG_SIDES = st.integers(100, 700)
SIZES = st.one_of(
    st.tuples(SIDES, SIDES), st.tuples(SIDES, LONG_SIDES), st.tuples(LONG_SIDES, SIDES)
)
N_PX = 24
EXTREMES = [
    *((1, 1), (1, 300), (300, 1), (2, 3), (23, 23), (23, 24), (24, 23), (24, 24), (24, 25)),
    *((25, 24), (25, 25), (24, 27), (27, 24), (24, 200), (200, 24), (48, 48), (60, 121)),
]
PILLOW_MAJOR = int(PIL.__version__.partition(".")[0])

HUGE_STRIP = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from PIL import Image
from clip_prep_cli.pixels.geometry import geometry
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.resize import resize_crop
from clip_prep_cli.pixels.transforms import openai
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image = Image.effect_noise({size}, 99).convert({mode!r})
target = geometry(*image.size, openai(224), OPENAI)
print(resize_crop(image, target).size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def assert_same_as_pillow(image: Image.Image, n_px: int) -> None:
    """`resample_crop` gives the mode and the bytes of Pillow's resize and crop."""
    target = target_of(image.size, n_px)
    resized = image.resize(target.size, Image.Resampling.BICUBIC)
    wanted = resized.crop(target.box)
    if image.mode in ("1", "P"):
        wanted = wanted.convert("RGB")
    found = resample_crop(image, target)
    assert (found.mode, found.size) == (wanted.mode, wanted.size)
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=25)
@given(size=SIZES, n_px=st.integers(1, 32), seed=st.integers(0, 9))
@example(size=(1, 1), n_px=7, seed=0)
@example(size=(1, 400), n_px=7, seed=1)
@example(size=(400, 1), n_px=7, seed=1)
@example(size=(25, 24), n_px=24, seed=1)
@example(size=(24, 23), n_px=24, seed=1)
@example(size=(60, 500), n_px=24, seed=1)
def test_same_bytes_as_pillow(kind: str, size: tuple[int, int], n_px: int, seed: int) -> None:
    """Any mode, any shape, enlarged or reduced: the same mode, the same bytes."""
    assume(size != target_of(size, n_px).size)  # such an image is only cropped, see below
    assert_same_as_pillow(make_image(kind, size, seed), n_px)


@pytest.mark.parametrize(
    ("size", "n_px"),
    [
        *(((40, height), 24) for height in range(78, 84)),  # Pillow 13 turns from 81 on
        *(((4, height), 2) for height in range(399, 403)),  # Pillow 12 from 401 on
    ],
)
@pytest.mark.parametrize("kind", ["RGB", "LA", "F"])
def test_pass_order_changes_where_pillows_does(kind: str, size: tuple[int, int], n_px: int) -> None:
    """On both sides of the limits from which Pillow runs the vertical pass first."""
    for seed in (0, 1):
        assert_same_as_pillow(make_image(kind, size, seed), n_px)


@pytest.mark.parametrize(
    ("source", "resized", "turned"),
    [
        ((40, 80), (24, 48), False),  # the height shrinks by exactly twice as much
        ((40, 81), (24, 48), True),
        ((80, 40), (48, 24), False),
        ((20, 100), (24, 120), False),  # enlarged
        ((24, 100), (24, 100), False),
        ((24, 101), (24, 100), True),
    ],
)
def test_vertical_pass_first(
    source: tuple[int, int],
    resized: tuple[int, int],
    turned: bool,  # noqa: FBT001
) -> None:
    """First if the height shrinks by more than twice as much as the width, since Pillow 13."""
    assert OPENAI.vertical_first(source, resized) == (turned and PILLOW_MAJOR >= 13)


@pytest.mark.parametrize("size", [(40, 20_000), (20_000, 40)])
@pytest.mark.parametrize("kind", ["RGB", "P", "RGBA"])
def test_long_strips_have_pillows_bytes(kind: str, size: tuple[int, int]) -> None:
    """Far from the start, the middle of 112,000 resized pixels, no position has drifted."""
    assert_same_as_pillow(make_image(kind, size, 1), 224)


def test_sides_beyond_float32_have_pillows_bytes() -> None:
    """Pillow keeps the size of the source in float32: 16,777,217 becomes 16,777,216 there."""
    assert_same_as_pillow(make_image("P", (2, (1 << 24) + 1), 1), 3)


@pytest.mark.parametrize("kind", ["L", "1", "F"])
def test_a_single_column_has_pillows_bytes(kind: str) -> None:
    """1 x 6000 pixels become the middle of 16 x 96000."""
    assert_same_as_pillow(make_image(kind, (1, 6000), 1), 16)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")
@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (4, 60_000)])
def test_a_strip_takes_little_memory(size: tuple[int, int], mode: str) -> None:
    """Its resized image would have 0.75 to 3 thousand million pixels; the crop is small."""
    code = HUGE_STRIP.format(size=size, mode=mode)
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    size_found, _, kilobytes = run.stdout.rpartition(" ")
    assert size_found == "(224, 224)"
    assert int(kilobytes) < 100_000


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
