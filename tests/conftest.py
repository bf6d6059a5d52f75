"""What the tests of several files need."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sample_images() -> Path:
    """The repository's own sample images."""
    return Path(__file__).parent.parent / "sample_images"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """A directory of real images, from CLIP_PREP_CORPUS."""
    directory = os.environ.get("CLIP_PREP_CORPUS")
    if not directory:
        pytest.skip("CLIP_PREP_CORPUS names no directory of images")
    return Path(directory)
