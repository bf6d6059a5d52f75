"""What a model wants of an image: the transform that comes with its weights."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from clip_prep_cli.errors import UsageError

Channels = tuple[float, float, float]
"""One number for each of R, G, B, on the scale [0, 1]."""

OPENAI_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
"""CLIP's own, not ImageNet's."""

OPENAI_STD: Channels = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's own, not ImageNet's."""

_RESIZES = ("shortest",)
_FILTERS = ("bicubic",)


@dataclass(frozen=True, order=True)
class Transform:
    """From an image to a normalized tensor [3, height, width]; the defaults are OpenAI's.

    Raises:
        UsageError: the pixels of this transform cannot be made.
    """

    height: int
    width: int
    resize: Literal["shortest", "squash", "longest"] = "shortest"
    """Resize the short side and crop the center, ignore the aspect, or resize the long side and
    pad."""
    filter: Literal["bicubic", "bilinear"] = "bicubic"
    mean: Channels = OPENAI_MEAN
    std: Channels = OPENAI_STD
    fill: int = 0
    """The level of the padding, 0 to 255."""

    def __post_init__(self) -> None:
        for name, value, possible in (
            ("resize", self.resize, _RESIZES),
            ("filter", self.filter, _FILTERS),
        ):
            if value not in possible:
                raise UsageError(
                    f"The transform has {name} {value!r}.", f"Supported: {', '.join(possible)}."
                )
        if self.height < 1 or self.width != self.height:
            raise UsageError(
                f"The transform is for {self.width} x {self.height} pixels.",
                "Only squares are supported.",
            )
        if self.fill != 0 and self.resize != "longest":
            raise UsageError("The transform has a fill but does not pad.", "Drop the fill.")
        if not all(map(isfinite, self.mean)) or not all(isfinite(s) and s > 0 for s in self.std):
            raise UsageError(
                f"The transform has mean {self.mean} and std {self.std}.",
                "They must be finite, and std positive.",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a row."""
        return 3, self.height, self.width

    @property
    def side(self) -> int:
        """The longer side in pixels; the model's resolution if it is square."""
        return max(self.height, self.width)


def openai(n_px: int) -> Transform:
    """OpenAI's transform to `n_px` x `n_px`: `_transform` in `clip/clip.py` of openai/CLIP."""
    return Transform(n_px, n_px)
