"""One decoded image to one row: a transform by a reference, step by step."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.pixels.geometry import geometry
from clip_prep_cli.pixels.native import Kernel
from clip_prep_cli.pixels.normalize import lookup_table, normalize
from clip_prep_cli.pixels.references import Reference
from clip_prep_cli.pixels.resize import resize_crop
from clip_prep_cli.pixels.transforms import Transform

_ALIKE_BEFORE_AND_AFTER = ("RGB", "L")
"""Modes that may be converted to RGB before the resize: it treats all their bands alike."""

_WORTH_AN_ARRAY = 1 << 24
"""Pixels up to which a copy as an array costs less than the kernel saves; above, it is memory."""


def as_pixels(image: Image.Image, reference: Reference) -> Image.Image | NDArray[np.uint8]:
    """`image`, decoded: as RGB pixels [h, w, 3] if the reference gives the same from those."""
    image.load()
    image = reference.before_resize(image)
    alike = image.mode in _ALIKE_BEFORE_AND_AFTER
    if not alike or image.width * image.height > _WORTH_AN_ARRAY:
        return image
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


class Pipeline:
    """All that the rows of a set's folder have in common, worked out once."""

    def __init__(
        self, transform: Transform, dtype: str, reference: Reference, kernel: Kernel | None = None
    ) -> None:
        """Without a `kernel`, Pillow does the steps, to the same bytes."""
        self.shape = transform.shape
        self.table = lookup_table(transform, dtype, reference)
        self._transform = transform
        self._reference = reference
        self._kernel = kernel

    def fill(self, image: Image.Image | NDArray[np.uint8], out: NDArray[np.generic]) -> None:
        """Fill `out`, of `shape` and the table's dtype, with the CLIP input tensor of an image.

        `image` is what `as_pixels` returns, or RGB pixels [h, w, 3].

        Raises:
            ValueError: Pillow cannot resize the image's mode or convert it to RGB.
            OverflowError: one side is so much longer that the reference's resized image cannot
                exist.
        """
        if isinstance(image, np.ndarray):
            if self._kernel:
                height, width = image.shape[:2]
                target = geometry(width, height, self._transform, self._reference)
                self._kernel.fill(image, target, self.table, out)
                return
            image = Image.fromarray(image)
        target = geometry(*image.size, self._transform, self._reference)
        normalize(np.asarray(resize_crop(image, target).convert("RGB")), self.table, out)
