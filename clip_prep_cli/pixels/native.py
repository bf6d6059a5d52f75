"""The native kernel, if it was built, and if it gives Pillow's bytes on this machine."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.pixels.geometry import Geometry, geometry
from clip_prep_cli.pixels.normalize import lookup_table, normalize
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.resize import resize_crop
from clip_prep_cli.pixels.transforms import openai

_TRIALS = ((7, 5, 4), (5, 23, 4), (31, 10, 8), (3, 2, 8), (16, 20, 8))
"""Width, height and n_px of images that take every way through the kernel."""


class Kernel(NamedTuple):
    """The kernel for one instruction set: `variant` is its number in `_resize.VARIANTS`."""

    name: str
    variant: int

    def fill(
        self, pixels: NDArray[np.uint8], target: Geometry, table: NDArray[Any], out: NDArray[Any]
    ) -> None:
        """Resize, crop, look up: RGB `pixels` [h, w, 3] to `out` [3, n_px, n_px], bicubic.

        Raises:
            ValueError: the arrays are not contiguous, or their shapes do not fit.
        """
        from clip_prep_cli.pixels import _resize

        height, width = pixels.shape[:2]
        _resize.resize_crop(
            pixels,
            (width, height),
            target.size,
            (target.left, target.top),
            out.shape[1],
            target.vertical_first,
            table,
            out,
            self.variant,
        )


def kernels() -> tuple[Kernel, ...]:
    """What the package was built with and this processor can run, the fastest last."""
    try:
        from clip_prep_cli.pixels import _resize
    except ImportError:  # built without a compiler
        return ()
    return tuple(Kernel(name, variant) for variant, name in enumerate(_resize.VARIANTS))


@cache
def best_kernel() -> Kernel | None:
    """The fastest kernel that agrees with Pillow on a few tiny images; it takes a millisecond.

    Another Pillow might resize another way, and another processor might round the weights another
    way: then Pillow itself is slower, but right.
    """
    return next((kernel for kernel in reversed(kernels()) if _agrees(kernel)), None)


def resize_backend(kernel: Kernel | None) -> str:
    """What resizes, in words: a kernel, or Pillow and why."""
    if kernel:
        return f"native ({kernel.name})"
    if kernels() and best_kernel() is None:
        return "pillow (the native kernel disagrees with this Pillow)"
    return "pillow" if kernels() else "pillow (the native kernel was not built)"


def _agrees(kernel: Kernel) -> bool:
    for width, height, n_px in _TRIALS:
        target = geometry(width, height, openai(n_px), OPENAI)
        table = lookup_table(openai(n_px), "uint8", OPENAI)
        # Multiples of a prime modulo another: all levels, in no order, with no random numbers.
        values = np.arange(width * height * 3) * 163 % 251
        pixels = values.astype(np.uint8).reshape(height, width, 3)
        ours, pillows = np.empty((2, 3, n_px, n_px), np.uint8)
        kernel.fill(pixels, target, table, ours)
        cropped = resize_crop(Image.fromarray(pixels), target)
        normalize(np.asarray(cropped), table, pillows)
        if not np.array_equal(ours, pillows):
            return False
    return True
