"""Tensor files while they are written, and when they are sealed."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.sets.layout import Layout
from clip_prep_cli.sets.shard import Shard
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import shard_rows

KINDS = [("npy", "float32"), ("npy", "uint8"), ("pt", "float16"), ("pt", "bfloat16")]
SIZES = (2, 3)


def filled(directory: Path, rows: int, layouts: tuple[Layout, ...]) -> tuple[Shard, list[bytes]]:
    """A shard with a different content in each row, and the rows of its first layout."""
    shard = Shard(directory, 7, rows, layouts)
    for layout, target in zip(layouts, shard.targets(), strict=True):
        content = [bytes([row]) * layout.row_bytes for row in range(rows)]
        file = os.open(target.path, os.O_WRONLY)
        os.pwrite(file, b"".join(content), target.offset)
        os.close(file)
    return shard, [bytes([row]) * layouts[0].row_bytes for row in range(rows)]


@pytest.mark.parametrize(("suffix", "dtype"), KINDS)
@settings(max_examples=15, deadline=None)
@given(kept=st.lists(st.booleans(), max_size=6))
def test_seal(
    suffix: str, dtype: str, kept: list[bool], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A sealed shard has the kept rows, in order, and the size that its layout foretells."""
    directory = tmp_path_factory.mktemp("seal")
    layouts = tuple(Layout(openai(n_px), dtype, suffix) for n_px in SIZES)
    shard, content = filled(directory, len(kept), layouts)
    places = [row for row, keep in enumerate(kept) if keep]
    shard.seal(places, LocalStorage(directory))
    sealed = directory / layouts[0].file(7)
    assert shard_rows(sealed) == [content[row] for row in places]
    for layout in layouts:
        assert (directory / layout.file(7)).stat().st_size == layout.file_bytes(len(places))
    assert not list(directory.rglob("*.partial"))


@pytest.mark.parametrize(("suffix", "dtype"), KINDS)
def test_rows_begin_on_a_page(suffix: str, dtype: str) -> None:
    """The first row begins at the same page boundary, whatever the number of rows is."""
    layout = Layout(openai(4), dtype, suffix)
    starts = {len(layout.frame(rows).head) for rows in (0, 1, 9, 10, 1000, 123_456)}
    assert len(starts) == 1
    assert starts.pop() % 4096 == 0


@pytest.mark.torch
def test_pt_files_are_those_of_torch(tmp_path: Path) -> None:
    """torch.load gives a tensor of its own from a .pt shard, mapped or not."""
    import torch

    layout = Layout(openai(2), "bfloat16", "pt")
    shard, content = filled(tmp_path, 3, (layout,))
    shard.seal(range(3), LocalStorage(tmp_path))
    for mapped in (False, True):
        tensor = torch.load(tmp_path / layout.file(7), mmap=mapped, weights_only=True)
        assert (tensor.shape, tensor.dtype) == ((3, 3, 2, 2), torch.bfloat16)
        assert tensor.view(torch.uint8).numpy().tobytes() == b"".join(content)


def test_space_is_reserved_whole(tmp_path: Path) -> None:
    """Before any row is written its space is there, under another name, and can be given back."""
    layouts = tuple(Layout(openai(n_px), "float32", "npy") for n_px in (30, 40))
    shard = Shard(tmp_path, 0, 5, layouts)
    for layout, target in zip(layouts, shard.targets(), strict=True):
        stat = os.stat(target.path)
        assert stat.st_size == layout.file_bytes(5)
        assert stat.st_blocks * 512 >= layout.file_bytes(5)
        assert target.path.endswith(".partial")
    assert not list(tmp_path.rglob("*.npy"))
    shard.discard()
    assert not list(tmp_path.rglob("*.partial"))


def test_all_or_nothing_is_reserved(tmp_path: Path) -> None:
    """Where one file cannot be made none stays, and the error names what was in the way."""
    (tmp_path / "40px").touch()
    layouts = [Layout(openai(n_px), "float32", "npy") for n_px in (30, 40)]
    with pytest.raises(CannotContinueError, match="40px"):
        Shard(tmp_path, 0, 5, layouts)
    assert os.listdir(tmp_path / "30px") == []


def test_a_shard_that_cannot_be_sealed(tmp_path: Path) -> None:
    """If a file cannot get its final name, the error says why, and the rest can be given back."""
    layouts = tuple(Layout(openai(n_px), "float32", "npy") for n_px in SIZES)
    shard, _ = filled(tmp_path, 2, layouts)
    (tmp_path / layouts[1].file(7) / "in the way").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        shard.seal([0, 1], LocalStorage(tmp_path))
    shard.discard()
    assert not list(tmp_path.rglob("*.partial"))


def test_npy_header_is_numpys(tmp_path: Path) -> None:
    """NumPy's own reader finds a version 1.0 header in C order, little-endian."""
    layout = Layout(openai(5), "float16", "npy")
    shard, _ = filled(tmp_path, 4, (layout,))
    shard.seal(range(4), LocalStorage(tmp_path))
    with open(tmp_path / layout.file(7), "rb") as file:
        assert np.lib.format.read_magic(file) == (1, 0)
        header = np.lib.format.read_array_header_1_0(file)
    assert header == ((4, 3, 5, 5), False, np.dtype("<f2"))
