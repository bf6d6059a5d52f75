"""The examples run, and their results are what they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.command import album, clip_prep, environment

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_embed(tmp_path: Path) -> None:
    """Each image has a vector of length 1, in the order of the paths; images differ."""
    pytest.importorskip("transformers")
    source, out = album(tmp_path / "in", 5), tmp_path / "tensors"
    clip_prep("convert", source, "-m", "ViT-B/32", "--dtype", "uint8", "-o", out)
    command = [sys.executable, str(EXAMPLES / "embed.py"), str(out), str(tmp_path / "vectors")]
    subprocess.run(command, check=True, capture_output=True, env=environment())
    paths = (tmp_path / "vectors" / "paths.txt").read_text().splitlines()
    vectors = np.load(tmp_path / "vectors" / "vectors.npy")
    assert paths == sorted(map(str, source.iterdir()))
    assert vectors.shape == (5, 512)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert len(np.unique(vectors.round(6), axis=0)) == 5
