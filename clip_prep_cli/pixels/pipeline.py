"""One decoded image to one row: the reference transform, step by step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.pixels.normalize import normalize
from clip_prep_cli.pixels.resize import resize_crop


def preprocess(image: Image.Image, n_px: int, table: NDArray[Any], out: NDArray[Any]) -> None:
    """Fill `out` [3, n_px, n_px] with the CLIP input tensor of `image`.

    `table` is a `lookup_table`; `out` has its dtype. The steps and their order are those of
    `_transform` in `clip/clip.py` of openai/CLIP.

    Raises:
        ValueError: Pillow cannot resize the image's mode or convert it to RGB.
    """
    cropped = resize_crop(image, n_px).convert("RGB")
    normalize(np.asarray(cropped), table, out)
