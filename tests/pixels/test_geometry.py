"""Resized size and crop box: integers only."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clip_prep_cli.pixels.geometry import MAX_RESIZED_SIDE
from tests.support.images import target_of

SIDES = st.integers(1, 100_000)
RESOLUTIONS = st.sampled_from([224, 288, 336, 384, 448]) | st.integers(1, 1000)


@given(SIDES, SIDES, RESOLUTIONS)
@example(1, 60_000, 224)
@example(60_000, 1, 448)
def test_short_side_becomes_n_px_and_long_side_is_truncated(
    width: int, height: int, n_px: int
) -> None:
    """The long side is floor(n_px * long / short), computed here in whole numbers."""
    target = target_of((width, height), n_px)
    short, long = sorted((width, height))
    assert sorted((target.width, target.height)) == [n_px, n_px * long // short]
    assert (target.width <= target.height) == (width <= height) or target.width == target.height


@given(SIDES, SIDES, RESOLUTIONS)
def test_crop_lies_in_the_middle_of_the_resized_image(width: int, height: int, n_px: int) -> None:
    """The box is n_px x n_px, inside the image, and off the middle by half a pixel at most."""
    target = target_of((width, height), n_px)
    left, top, right, bottom = target.box
    assert (right - left, bottom - top) == (n_px, n_px)
    assert 0 <= left <= right <= target.width
    assert 0 <= top <= bottom <= target.height
    assert abs(left - (target.width - right)) <= 1
    assert abs(top - (target.height - bottom)) <= 1


@given(SIDES, SIDES, RESOLUTIONS)
def test_a_transposed_image_has_the_transposed_geometry(width: int, height: int, n_px: int) -> None:
    """Width and height are treated alike."""
    upright, lying = target_of((width, height), n_px), target_of((height, width), n_px)
    assert lying.size == upright.size[::-1]
    assert (lying.left, lying.top) == (upright.top, upright.left)


@pytest.mark.parametrize(
    ("long", "offset"), [(224, 0), (225, 0), (226, 1), (227, 2), (228, 2), (229, 2), (231, 4)]
)
def test_odd_margins_round_half_to_even(long: int, offset: int) -> None:
    """0.5 becomes 0, 1.5 becomes 2, 2.5 becomes 2, 3.5 becomes 4."""
    assert target_of((224, long), 224).top == offset
    assert target_of((long, 224), 224).left == offset


@pytest.mark.parametrize(
    ("size", "resized", "box"),
    [
        ((500, 375), (298, 224), (37, 0, 261, 224)),  # 298.67 is not rounded up
        ((375, 500), (224, 298), (0, 37, 224, 261)),
        ((224, 224), (224, 224), (0, 0, 224, 224)),
        ((3, 2), (336, 224), (56, 0, 280, 224)),
        ((1, 60_000), (224, 13_440_000), (0, 6_719_888, 224, 6_720_112)),
    ],
)
def test_known_sizes(
    size: tuple[int, int], resized: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    """Values worked out by hand."""
    target = target_of(size, 224)
    assert (target.size, target.box) == (resized, box)


def test_what_no_computer_can_resize_is_refused() -> None:
    """The reference's resized image would take terabytes; so there is nothing to be equal to."""
    assert target_of((1, (1 << 30) // 448), 448).height <= MAX_RESIZED_SIDE
    for size in ((1, 1 << 30), (1 << 30, 1)):
        with pytest.raises(OverflowError, match="too large"):
            target_of(size, 224)
