"""Where the crop is: the integers of torchvision's `Resize(n_px)` and `CenterCrop(n_px)`."""

from typing import NamedTuple

from clip_prep_cli.pixels.references import Reference
from clip_prep_cli.pixels.transforms import Transform

MAX_RESIZED_SIDE = 1 << 30
"""Pixels; the reference's resized image, of this side and one of `n_px`, would be 1 TB."""


class Geometry(NamedTuple):
    """The resized image, and the box that is cut from it. Pixels."""

    width: int
    height: int
    left: int
    top: int
    right: int
    bottom: int
    vertical_first: bool
    """The order of the passes in which it is resized."""

    @property
    def size(self) -> tuple[int, int]:
        """The resized image's width and height."""
        return self.width, self.height

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The crop for Pillow: left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom

    @property
    def crop_size(self) -> tuple[int, int]:
        """The crop's width and height."""
        return self.right - self.left, self.bottom - self.top


def geometry(width: int, height: int, transform: Transform, reference: Reference) -> Geometry:
    """How an image of `width` x `height` pixels is resized and cropped.

    The short side becomes `n_px`; the long side is truncated, not rounded
    (`_compute_resized_output_size` in torchvision/transforms/functional.py).

    Raises:
        OverflowError: the resized image would be longer than `MAX_RESIZED_SIDE`.
    """
    n_px = transform.side
    if width <= height:
        resized_width, resized_height = n_px, int(n_px * height / width)
    else:
        resized_width, resized_height = int(n_px * width / height), n_px
    if max(resized_width, resized_height) > MAX_RESIZED_SIDE:
        raise OverflowError(f"resized to {resized_width} x {resized_height}, it would be too large")
    left = reference.crop_offset(resized_width - transform.width)
    top = reference.crop_offset(resized_height - transform.height)
    return Geometry(
        width=resized_width,
        height=resized_height,
        left=left,
        top=top,
        right=left + transform.width,
        bottom=top + transform.height,
        vertical_first=reference.vertical_first((width, height), (resized_width, resized_height)),
    )
