"""What the tests of several kinds of inputs need."""

from pathlib import Path

import pytest

from tests.support.command import album


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of four images, beside the outputs."""
    return album(tmp_path / "in", 4)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output, in what is the current directory of a run."""
    return tmp_path / "out"
