"""With the native kernel and with Pillow: the same set, through the whole command."""

import json
from pathlib import Path

import pytest

from tests.support.command import clip_prep, read_manifest, tree_digest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_both_resizers_make_the_same_set(dtype: str, sample_images: Path, tmp_path: Path) -> None:
    """All resolutions of all sample images, byte for byte; the manifest says who resized."""
    digests = []
    for backend in ("native", "pillow"):
        out = tmp_path / backend
        env = {"CLIP_PREP_RESIZE": backend}
        options = ("-m", "all", "--dtype", dtype, "--exclude", "broken", "--json")
        done = clip_prep("convert", sample_images, "-o", out, *options, env=env)
        assert json.loads(done.stdout)["failed"] == 0
        assert read_manifest(out)["generator"]["resize_backend"].startswith(backend)
        digests.append({**tree_digest(out), "manifest.json": ""})
    assert digests[0] == digests[1]
