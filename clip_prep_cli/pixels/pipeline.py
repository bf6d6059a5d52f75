"""One decoded image to one row: the reference transform, step by step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.pixels.native import Kernel
from clip_prep_cli.pixels.normalize import normalize
from clip_prep_cli.pixels.resize import resize_crop

_ALIKE_BEFORE_AND_AFTER = ("RGB", "L")
"""Modes that may be converted to RGB before the resize: it treats all their bands alike."""

_WORTH_AN_ARRAY = 1 << 24
"""Pixels up to which a copy as an array costs less than the kernel saves; above, it is memory."""


def as_pixels(image: Image.Image) -> Image.Image | NDArray[np.uint8]:
    """`image`, decoded: as RGB pixels [h, w, 3] if the reference gives the same from those."""
    image.load()
    alike = image.mode in _ALIKE_BEFORE_AND_AFTER
    if not alike or image.width * image.height > _WORTH_AN_ARRAY:
        return image
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def preprocess(
    image: Image.Image | NDArray[np.uint8],
    n_px: int,
    table: NDArray[Any],
    out: NDArray[Any],
    kernel: Kernel | None = None,
) -> None:
    """Fill `out` [3, n_px, n_px] with the CLIP input tensor of `image`.

    `image` may be RGB pixels [h, w, 3]; `table` is a `lookup_table`; `out` has its dtype. The
    steps and their order are those of `_transform` in `clip/clip.py` of openai/CLIP. Without a
    `kernel`, Pillow does them, to the same bytes.

    Raises:
        ValueError: Pillow cannot resize the image's mode or convert it to RGB.
        OverflowError: one side is so much longer that the reference's resized image cannot exist.
    """
    if isinstance(image, np.ndarray) and kernel:
        kernel.fill(image, n_px, table, out)
        return
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    normalize(np.asarray(resize_crop(image, n_px).convert("RGB")), table, out)
