"""A transform is complete when it is made, and what cannot be done with it is refused there."""

from typing import Any

import pytest

from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.transforms import Transform, openai


def test_openais() -> None:
    """Mean and std are those of clip/clip.py, to the last digit; ImageNet's are others."""
    transform = openai(224)
    assert (transform.shape, transform.side) == ((3, 224, 224), 224)
    assert (transform.resize, transform.filter, transform.fill) == ("shortest", "bicubic", 0)
    assert transform.mean == (0.48145466, 0.4578275, 0.40821073)
    assert transform.std == (0.26862954, 0.26130258, 0.27577711)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"resize": "squash"}, "resize 'squash'"),
        ({"resize": "longest"}, "resize 'longest'"),
        ({"filter": "bilinear"}, "filter 'bilinear'"),
        ({"width": 225}, "225 x 224 pixels"),
        ({"height": 0, "width": 0}, "0 x 0 pixels"),
        ({"fill": 7}, "does not pad"),
        ({"mean": (0.5, 0.5, float("nan"))}, "nan"),
        ({"std": (0.5, 0.0, 0.5)}, "std"),
    ],
)
def test_what_the_pixels_cannot_do_is_refused(fields: dict[str, Any], words: str) -> None:
    """Whoever reads a transform from a file learns it there, and no field is ignored."""
    with pytest.raises(UsageError, match=words):
        Transform(**{"height": 224, "width": 224, **fields})


def test_other_statistics_are_another_transform() -> None:
    """Mean and std are part of what identifies tensors."""
    half = Transform(224, 224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert len({half, openai(224), Transform(224, 224)}) == 2
