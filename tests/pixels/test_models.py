"""The model names, their resolutions, and CLIP's constants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.pixels.models import ALL_MODELS, MEAN, MODELS, STD, models_at, resolutions
from tests.support.oracle import PUBLISHED


def test_models_are_the_nine_that_openai_published() -> None:
    """Names and input resolutions are those of the released weights."""
    assert dict(MODELS) == PUBLISHED


def test_constants_are_clips_own() -> None:
    """Mean and std are those of clip/clip.py, to the last digit; ImageNet's are others."""
    assert MEAN == (0.48145466, 0.4578275, 0.40821073)
    assert STD == (0.26862954, 0.26130258, 0.27577711)


def test_all_stands_for_the_five_resolutions() -> None:
    """`all` asks for each distinct resolution once, ascending."""
    assert resolutions([ALL_MODELS]) == (224, 288, 336, 384, 448)


@given(st.lists(st.sampled_from([*PUBLISHED, ALL_MODELS])))
def test_resolutions_are_distinct_and_ascending(names: list[str]) -> None:
    """However models are named and repeated, their resolutions come sorted and once."""
    needed: set[int] = set()
    for name in names:
        needed |= set(PUBLISHED.values()) if name == ALL_MODELS else {PUBLISHED[name]}
    assert resolutions(names) == tuple(sorted(needed))


@pytest.mark.parametrize("name", ["ViT-L/15", "", "vit-b/32"])
def test_an_unknown_model_is_refused(name: str) -> None:
    """A name that OpenAI does not use is an error, not another model."""
    with pytest.raises(KeyError):
        resolutions(["RN50", name])


def test_models_at_shares_every_model_out() -> None:
    """Each model is at its own resolution and at no other."""
    at = {n_px: models_at(n_px) for n_px in (224, 288, 336, 384, 448)}
    assert sorted(name for names in at.values() for name in names) == sorted(PUBLISHED)
    assert all(PUBLISHED[name] == n_px for n_px, names in at.items() for name in names)
    assert models_at(256) == ()
