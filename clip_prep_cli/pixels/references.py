"""Whose arithmetic is followed. A new reference is a value of `Reference`, with its functions.

Everything that depends on the program that is reproduced, and not on the model, is here. NumPy
and Pillow are not imported: the settings of a set hold a reference, and the command line starts
without them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Floats = NDArray[np.float32]

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Reference:
    """A program, and the arithmetic with which it applies a transform.

    Its functions are those of a module, so that it can be sent to other processes.
    """

    name: str
    source: str
    """Where the arithmetic was read; in the manifest."""
    before_resize: "Callable[[Image], Image]"
    """What it makes of a decoded image before the resize; the conversion to RGB comes last."""
    crop_offset: Callable[[int], int]
    """Where the crop begins on an axis, given the pixels that do not fit into it."""
    vertical_first: Callable[[Size, Size], bool]
    """Whether the vertical pass comes first in a resize from one size to another.

    Where Pillow makes the whole resized image, its own order holds.
    """
    normalize: "Callable[[Floats, Floats, Floats], Floats]"
    """Of the levels 0 to 255 [256], mean [3, 1] and std [3, 1], float32: the values [3, 256]."""
    steps: Callable[[], tuple[dict[str, Any], ...]]
    """The steps between decoding and normalizing in words, for the manifest."""


def _unchanged(image: "Image") -> "Image":
    return image


def _half_to_even(excess: int) -> int:
    """As `center_crop` in torchvision/transforms/functional.py rounds."""
    return round(excess / 2)


def _as_pillow_13(source: Size, resized: Size) -> bool:
    """When the height shrinks by more than twice as much as the width.

    `ImagingResampleInner` since Pillow 13; older versions had other rules. Rounding to 8 bits
    between the passes makes the order visible in the result.
    """
    shrink_x, shrink_y = source[0] - resized[0], source[1] - resized[1]
    return shrink_y > 0 and shrink_y > 2 * shrink_x


def _step_by_step(levels: "Floats", mean: "Floats", std: "Floats") -> "Floats":
    """`ToTensor`, then `Normalize`: each operation is rounded to float32."""
    return (levels / levels.dtype.type(255) - mean) / std


def _rgb_last() -> tuple[dict[str, Any], ...]:
    return (
        {
            "step": "resize",
            "short_side": "n_px",
            "long_side": "int(n_px * long / short)",
            "filter": "bicubic, a = -0.5, antialiased (Pillow); nearest for the modes 1 and P",
        },
        {"step": "center_crop", "side": "n_px", "offset": "(size - n_px) / 2, half to even"},
        {"step": "convert", "mode": "RGB"},
        {"step": "to_tensor", "divisor": 255},
    )


OPENAI = Reference(
    name="openai",
    source="openai/CLIP, clip/clip.py, _transform",
    before_resize=_unchanged,
    crop_offset=_half_to_even,
    vertical_first=_as_pillow_13,
    normalize=_step_by_step,
    steps=_rgb_last,
)
"""openai/CLIP, with torchvision's transforms on Pillow images."""
