"""Rows and records read back, one at a time."""

import os
from pathlib import Path

import pytest

from clip_prep_cli.errors import DamagedError
from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.sets.layout import Layout
from clip_prep_cli.sets.stored import StoredRows
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import album, convert, paint, paths, read_index, rows

LAYOUT = Layout(openai(224), "uint8", "npy")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A set of seven images in shards of three; one has a name that is no UTF-8."""
    source = album(tmp_path / "in", 6)
    paint(source / os.fsdecode(b"\xff.png"), 9)
    convert(source, tmp_path / "out", "--shard-size", "3", "-m", "RN50x4")
    return tmp_path / "out"


@pytest.mark.parametrize("suffix", ["npy", "pt"])
def test_every_row(suffix: str, tmp_path: Path) -> None:
    """In whatever order they are asked for, rows and records are those on disk."""
    source, out = album(tmp_path / "in", 5), tmp_path / "out"
    convert(source, out, "--format", suffix, "--shard-size", "3")
    stored, layout = StoredRows(LocalStorage(out)), Layout(openai(224), "uint8", suffix)
    expected = dict(zip(paths(out), rows(out), strict=True))
    for shard, row in ((1, 1), (0, 2), (1, 0), (0, 0), (0, 1), (1, 1)):
        record = stored.record(shard, row)
        assert record.to_json(row) + "\n" == lines(out, shard)[row]
        assert stored.row(layout, shard, row, record) == expected[record.sample.path]


def lines(out: Path, shard: int) -> list[str]:
    """The lines of an index."""
    index = out / f"index/shard-{shard:06}.jsonl"
    return index.read_text("ascii").splitlines(keepends=True)


def test_names_and_resolutions(out: Path) -> None:
    """A name that is no UTF-8 comes back; each resolution has its own rows."""
    stored = StoredRows(LocalStorage(out))
    record = stored.record(2, 0)
    assert record.sample.path == os.fsdecode(b"\xff.png")
    for n_px in (224, 288):
        layout = Layout(openai(n_px), "uint8", "npy")
        assert stored.row(layout, 2, 0, record) == rows(out, n_px)[6]


def test_no_file_stays_open(out: Path) -> None:
    """A set of many shards does not use up descriptors."""
    before, stored = os.listdir("/dev/fd"), StoredRows(LocalStorage(out))
    for shard in range(3):
        stored.row(LAYOUT, shard, 0, stored.record(shard, 0))
    assert len(os.listdir("/dev/fd")) == len(before)


def test_damage(out: Path) -> None:
    """A row of other bytes, a short file, and missing files are told by name, row and image."""
    stored, shard = StoredRows(LocalStorage(out)), out / "224px/shard-000000.npy"
    record = stored.record(0, 1)
    assert record.sample.path == read_index(out, 0)[1]["path"] == "0001.png"
    os.truncate(shard, 4096 + LAYOUT.row_bytes + 9)
    with pytest.raises(DamagedError, match=r"shard-000000.npy: row 1 \(0001.png\) does not match"):
        stored.row(LAYOUT, 0, 1, record)
    stored.row(LAYOUT, 0, 0, stored.record(0, 0))
    shard.unlink()
    (out / "index/shard-000001.jsonl").unlink()
    with pytest.raises((DamagedError, FileNotFoundError)):
        stored.row(LAYOUT, 0, 0, stored.record(0, 0))
    with pytest.raises(DamagedError, match=r"index/shard-000001.jsonl is missing"):
        stored.record(1, 0)


@pytest.mark.parametrize("content", ["", "{", "[]\n[]\n", '{"row": 0}\n{"row": 1}\n'])
def test_a_damaged_index(content: str, out: Path) -> None:
    """A line that is not there, or no record, is damage."""
    (out / "index/shard-000000.jsonl").write_text(content)
    with pytest.raises(DamagedError, match=r"index/shard-000000\.jsonl is damaged"):
        StoredRows(LocalStorage(out)).record(0, 1)
