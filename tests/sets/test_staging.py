"""Where shards for a URL are built, and what becomes of it."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clip_prep_cli.errors import CannotContinueError, StoreError
from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.sets.layout import FileSum, Layout
from clip_prep_cli.sets.shard import Shard
from clip_prep_cli.sets.staging import staging
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.local import LocalStorage
from clip_prep_cli.storage.location import storage_at
from tests.support.command import SECONDS
from tests.support.urls import download, memory_url

LAYOUTS = (Layout(openai(224), "uint8", "npy"), Layout(openai(288), "uint8", "npy"))


def made(out: Storage, scratch: Path) -> dict[str, FileSum]:
    """A shard of two rows, of three that were asked for, sealed."""
    shard = Shard(scratch, 7, 3, LAYOUTS)
    for layout in LAYOUTS:
        for row in range(3):
            shard.write(layout, row, bytes([row]) * layout.row_bytes)
    try:
        return shard.seal([0, 2], out)
    finally:
        shard.discard()


def test_here_and_there(tmp_path: Path) -> None:
    """A shard that is sealed has the same files at a URL as in a directory, and none elsewhere."""
    out = LocalStorage(tmp_path / "out")
    out.directory.mkdir()
    (tmp_path / "staging").mkdir()
    with staging(out) as scratch:
        assert scratch == out.directory
        expected = made(out, scratch)
    url = pickle.loads(pickle.dumps(storage_at(memory_url())))  # noqa: S301
    with staging(url, tmp_path / "staging") as scratch:
        assert made(url, scratch) == expected
        assert [path for path in scratch.rglob("*.npy*") if path.is_file()] == []
    assert os.listdir(tmp_path / "staging") == []
    copy = download(str(url), tmp_path / "copy")
    for name in expected:
        assert (copy / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
        assert list(np.load(copy / name)[:, 0, 0, 0]) == [0, 2]


def test_what_cannot_be_uploaded(tmp_path: Path) -> None:
    """A shard that the store refuses stays nowhere."""
    url = storage_at("https://127.0.0.1:9/set", 0.01)
    with staging(url, tmp_path) as scratch:
        with pytest.raises(StoreError, match="127"):
            made(url, scratch)
        assert [path for path in scratch.rglob("*.npy*") if path.is_file()] == []
    assert os.listdir(tmp_path) == []


def test_a_killed_process(tmp_path: Path) -> None:
    """What a killed process has left the next one removes, and nothing of the living."""
    code = f"from clip_prep_cli.sets.staging import staging; from pathlib import Path; import os; \
        from clip_prep_cli.storage.location import storage_at; \
        kept = staging(storage_at('memory://x'), Path({str(tmp_path)!r})); \
        (kept.__enter__() / 'file').touch(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=SECONDS)
    (left,) = tmp_path.iterdir()
    (tmp_path / "other").mkdir()
    url = storage_at("memory://x")
    with staging(url, tmp_path) as first, staging(url, tmp_path) as second:
        assert set(tmp_path.iterdir()) == {first, second, tmp_path / "other"}
        assert left not in (first, second)
    assert os.listdir(tmp_path) == ["other"]


def test_no_place(tmp_path: Path) -> None:
    """A place that is none, or errors in it, are named."""
    url = storage_at("memory://x")
    with pytest.raises(CannotContinueError, match="none"), staging(url, tmp_path / "none"):
        pass
    with pytest.raises(CannotContinueError, match="Input/output"), staging(url, tmp_path):
        raise OSError(5, "Input/output error")
