"""Where the crop lies: the integers of torchvision's `Resize(n_px)` and `CenterCrop(n_px)`."""

from typing import NamedTuple

MAX_RESIZED_SIDE = 1 << 30
"""Pixels; the reference's resized image, of this side and one of `n_px`, would be 1 TB."""


class Geometry(NamedTuple):
    """The resized image, and the `n_px` x `n_px` box that is cut from it. Pixels."""

    width: int
    height: int
    left: int
    top: int
    n_px: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The crop as Pillow takes it: left, top, right, bottom."""
        return self.left, self.top, self.left + self.n_px, self.top + self.n_px


def geometry(width: int, height: int, n_px: int) -> Geometry:
    """How an image of `width` x `height` pixels is resized and cropped for `n_px`.

    The short side becomes `n_px`; the long side is truncated, not rounded
    (`_compute_resized_output_size` in torchvision/transforms/functional.py). The crop's offsets
    are rounded half to even (`center_crop` in the same file).

    Raises:
        OverflowError: the resized image would be longer than `MAX_RESIZED_SIDE`.
    """
    if width <= height:
        resized_width, resized_height = n_px, int(n_px * height / width)
    else:
        resized_width, resized_height = int(n_px * width / height), n_px
    if max(resized_width, resized_height) > MAX_RESIZED_SIDE:
        raise OverflowError(f"resized to {resized_width} x {resized_height}, it would be too large")
    return Geometry(
        width=resized_width,
        height=resized_height,
        left=round((resized_width - n_px) / 2),
        top=round((resized_height - n_px) / 2),
        n_px=n_px,
    )
