"""The catalogue: which transform each model wants. A new model is a line in it."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.transforms import Transform, openai

OPENAI_MODELS: Mapping[str, Transform] = MappingProxyType(
    {
        "RN50": openai(224),
        "RN101": openai(224),
        "RN50x4": openai(288),
        "RN50x16": openai(384),
        "RN50x64": openai(448),
        "ViT-B/32": openai(224),
        "ViT-B/16": openai(224),
        "ViT-L/14": openai(224),
        "ViT-L/14@336px": openai(336),
    }
)
"""Source: `_MODELS` in `clip/clip.py` of openai/CLIP; the resolutions are in the weights.

These nine are in the digest of every set of format version 1, so no model may be added here.
"""

MODELS: Mapping[str, Transform] = MappingProxyType({**OPENAI_MODELS})
"""Model name -> transform. Every entry needs a source."""

ALL_MODELS = "all"
"""The name that stands for OpenAI's nine."""


def transform_of(name: str) -> Transform:
    """The transform of the model with that name.

    Raises:
        UsageError: there is no such model.
    """
    if name not in MODELS:
        raise UsageError(f"{name!r} is not a known model.", f"Use one of {', '.join(MODELS)}.")
    return MODELS[name]


def transforms_of(names: Iterable[str]) -> tuple[Transform, ...]:
    """The distinct transforms of the named models and of `ALL_MODELS`, by ascending size.

    Raises:
        UsageError: there is no such model.
    """
    expanded = (name for n in names for name in (OPENAI_MODELS if n == ALL_MODELS else (n,)))
    return tuple(sorted({transform_of(name) for name in expanded}))


def openai_models(transform: Transform) -> tuple[str, ...]:
    """OpenAI's models with this transform; they share their tensors."""
    return tuple(name for name, wanted in OPENAI_MODELS.items() if wanted == transform)
