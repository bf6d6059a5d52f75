"""The registry of formats: a new one takes one file, and everything works with it."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import clip_prep_cli
from clip_prep_cli import ConvertOptions
from clip_prep_cli.errors import UsageError
from clip_prep_cli.run.compact import Observer, compact
from clip_prep_cli.sets.tensor_files import FORMATS, TensorFormat
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import album
from tests.support.sets import faults, flipped, live

ROW_BYTES = 3 * 224 * 224


@pytest.fixture
def raw() -> Iterator[TensorFormat]:
    """Another format, while a test runs."""
    importlib.reload(importlib.import_module("tests.support.raw_format"))
    yield FORMATS["raw"]
    del FORMATS["raw"]


@pytest.mark.usefixtures("raw")
def test_a_new_format_takes_one_file(tmp_path: Path) -> None:
    """A set in it is converted, resumed, verified against its sources, damaged and compacted."""
    source, out, other = album(tmp_path / "in", 5), tmp_path / "out", tmp_path / "npy"
    clip_prep_cli.convert(source, "ViT-B/32", other, dtype="uint8")
    options: ConvertOptions = {"dtype": "uint8", "format": "raw", "shard_size": 2, "workers": 1}
    report = clip_prep_cli.convert(source, "ViT-B/32", out, **options)
    assert (report.complete, report.shards) == (True, 3)
    assert live(out) == live(other)
    assert faults(out, sources=9) == []
    (source / "0001.png").unlink()
    options["prune"] = True
    pruned = clip_prep_cli.convert(source, "ViT-B/32", out, **options)
    assert (pruned.pruned, pruned.tally.converted) == (1, 0)
    before = live(out)
    assert compact(LocalStorage(out), Observer()).shards_after == 2
    assert live(out) == before
    files = sorted((out / "224px").iterdir())
    assert [path.suffix for path in files] == [".raw", ".raw"]
    assert [path.stat().st_size for path in files] == [64 + 2 * ROW_BYTES + 7] * 2
    assert faults(out, sources=9) == []
    with flipped(files[0], 0):
        assert "not a file of raw rows" in faults(out)[0].problem
    with flipped(files[0], 64):
        assert [fault.row for fault in faults(out)] == [0]


def test_what_was_registered_is_gone(tmp_path: Path) -> None:
    """There are no formats but those of the package."""
    assert list(FORMATS) == ["npy", "pt"]
    with pytest.raises(UsageError, match="Use one of npy, pt"):
        clip_prep_cli.convert(album(tmp_path / "in", 1), "ViT-B/32", tmp_path / "out", format="raw")


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("dtypes", ("uint8",), "cannot hold float32.\nUse --format npy, pt, or --dtype uint8"),
        ("package", "no_such_package", "needs no_such_package, which is not installed"),
    ],
)
def test_a_format_is_asked(
    field: str, value: object, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it can hold and what it needs is checked before anything is done."""
    monkeypatch.setattr(type(FORMATS["raw"]), field, value)
    with pytest.raises(UsageError, match=words):
        clip_prep_cli.convert(album(tmp_path / "in", 1), "ViT-B/32", tmp_path / "out", format="raw")


@pytest.mark.parametrize("name", FORMATS)
def test_heads_are_as_long_for_any_count(name: str, tmp_path: Path) -> None:
    """Rows are written before it is known how many there will be; a file says where they begin."""
    tensor_format, path = FORMATS[name], tmp_path / f"file.{name}"
    for dtype in tensor_format.dtypes:
        heads = [tensor_format.frame((rows, 3, 5, 5), dtype)[0] for rows in (0, 9, 10, 123_456)]
        assert len(set(map(len, heads))) == 1
        path.write_bytes(b"".join(tensor_format.frame((0, 3, 5, 5), dtype)))
        assert tensor_format.rows_begin(LocalStorage(path.parent), path.name) == len(heads[0])
