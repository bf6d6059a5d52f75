"""OpenAI's nine CLIP models and the constants of their one preprocessing.

Source: `_MODELS` and `_transform` in `clip/clip.py` of openai/CLIP; the input resolution of
each model is part of its released weights.
"""

from collections.abc import Iterable
from types import MappingProxyType

MODELS = MappingProxyType(
    {
        "RN50": 224,
        "RN101": 224,
        "RN50x4": 288,
        "RN50x16": 384,
        "RN50x64": 448,
        "ViT-B/32": 224,
        "ViT-B/16": 224,
        "ViT-L/14": 224,
        "ViT-L/14@336px": 336,
    }
)
"""Model name -> `n_px`, the side of its square input in pixels."""

ALL_MODELS = "all"
"""The name that stands for every model in `MODELS`."""

MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Per channel (R, G, B), on the scale [0, 1]. CLIP's own, not ImageNet's."""

STD = (0.26862954, 0.26130258, 0.27577711)
"""Per channel (R, G, B), on the scale [0, 1]. CLIP's own, not ImageNet's."""


def resolutions(names: Iterable[str]) -> tuple[int, ...]:
    """The distinct resolutions that the named models need, ascending, in pixels.

    Raises:
        KeyError: a name is neither in `MODELS` nor `ALL_MODELS`.
    """
    expanded = (model for name in names for model in (MODELS if name == ALL_MODELS else (name,)))
    return tuple(sorted({MODELS[model] for model in expanded}))


def models_at(n_px: int) -> tuple[str, ...]:
    """The models whose input is `n_px` x `n_px`; they share their tensors."""
    return tuple(name for name, resolution in MODELS.items() if resolution == n_px)
