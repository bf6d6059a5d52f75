"""The catalogue: the model names and their transforms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.models import (
    ALL_MODELS,
    MODELS,
    OPENAI_MODELS,
    openai_models,
    transform_of,
    transforms_of,
)
from clip_prep_cli.pixels.transforms import openai
from tests.support.oracle import PUBLISHED


def test_models_are_the_nine_that_openai_published() -> None:
    """Names and input resolutions are those of the released weights."""
    assert dict(OPENAI_MODELS) == {name: openai(n_px) for name, n_px in PUBLISHED.items()}
    assert OPENAI_MODELS.items() <= MODELS.items()
    assert {name: transform_of(name) for name in MODELS} == MODELS


def test_all_stands_for_the_five_resolutions() -> None:
    """`all` asks for each distinct resolution once, ascending."""
    assert transforms_of([ALL_MODELS]) == tuple(map(openai, (224, 288, 336, 384, 448)))


@given(st.lists(st.sampled_from([*PUBLISHED, ALL_MODELS])))
def test_resolutions_are_distinct_and_ascending(names: list[str]) -> None:
    """However models are named and repeated, their resolutions come sorted and once."""
    needed: set[int] = set()
    for name in names:
        needed |= set(PUBLISHED.values()) if name == ALL_MODELS else {PUBLISHED[name]}
    assert transforms_of(names) == tuple(map(openai, sorted(needed)))


@pytest.mark.parametrize("name", ["ViT-L/15", "", "vit-b/32"])
def test_an_unknown_model_is_refused(name: str) -> None:
    """A name that OpenAI does not use is an error, not another model."""
    with pytest.raises(UsageError, match="is not a known model"):
        transforms_of(["RN50", name])


def test_each_of_the_nine_has_one_transform() -> None:
    """Each model is at its own resolution and at no other."""
    at = {n_px: openai_models(openai(n_px)) for n_px in (224, 288, 336, 384, 448)}
    assert sorted(name for names in at.values() for name in names) == sorted(PUBLISHED)
    assert all(PUBLISHED[name] == n_px for n_px, names in at.items() for name in names)
    assert openai_models(openai(256)) == ()
