"""docs/format.md is enough to read a set: `set_reader`, written from it, reads real ones."""

import os
import shutil
from collections.abc import Iterable
from mmap import ACCESS_READ, mmap
from pathlib import Path

import pytest
from PIL import Image

from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.sets.layout import Layout
from tests.support.command import clip_prep, convert, paint, read_manifest
from tests.support.oracle import encoded, reference_pixels
from tests.support.set_reader import Row, pt_begin, read_failures, read_set

KINDS = (("npy", "float32"), ("npy", "uint8"), ("pt", "bfloat16"))
NAMES = (b"a.png", b"caf\xe9.png", "caf\u00e9.png".encode(), b"line\nbreak.png", b"z.png")


@pytest.fixture(scope="module", params=KINDS, ids=" ".join)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A format and a dtype."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, kind: tuple[str, str]) -> Path:
    """Images, of which one is changed, one spoiled and one deleted after a first run."""
    directory = tmp_path_factory.mktemp(kind[1]) / os.fsdecode(b"in \xff")
    (directory / "below").mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        paint(directory / "below" / os.fsdecode(name), seed)
    (directory / "bad.png").write_bytes(b"")
    return directory


@pytest.fixture(scope="module")
def made(source: Path, kind: tuple[str, str]) -> Path:
    """The set of two runs, in shards of two."""
    out = source.with_name("out")
    options = ("--format", kind[0], "--dtype", kind[1], "-m", "RN50x4", "--shard-size", "2")
    clip_prep("convert", source, "-o", out, "-m", "RN50", *options, status=3)
    paint(source / "below" / "a.png", 10, (40, 30))
    (source / "below" / "z.png").unlink()
    clip_prep("convert", source, "-o", out, "-m", "RN50", *options, "--prune", status=3)
    return out


@pytest.mark.parametrize("n_px", [224, 288])
def test_rows(made: Path, source: Path, kind: tuple[str, str], n_px: int) -> None:
    """The reader finds each image's live row once, and it is what the reference makes of it."""
    found = {row.path: row.tensor for row in read_once(read_set(made, f"{n_px}px"))}
    kept = {str(path) for path in source.rglob("below/*")}
    assert found.keys() == kept
    assert len(kept) == len(NAMES) - 1
    for path, tensor in found.items():
        with Image.open(path) as image:
            assert tensor.tobytes() == encoded(reference_pixels(image, n_px), kind[1])
    assert read_manifest(made)["counts"]["superseded"] == 2


def test_failures(made: Path) -> None:
    """It reads the failures."""
    (failure,) = read_failures(made)
    assert (failure["path"], failure["reason"], failure["bytes"]) == ("bad.png", "not_an_image", 0)


def test_damage(made: Path, tmp_path: Path) -> None:
    """A flipped bit in any file, whatever its place, makes the reader refuse."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    for path in sorted(path for path in made.rglob("*") if path.is_file()):
        original = path.read_bytes()
        for part in range(3):
            content = bytearray(original)
            content[(len(content) - 1) * part // 2] ^= 4
            (copy / path.relative_to(made)).write_bytes(content)
            with pytest.raises((ValueError, KeyError)):
                read_all(copy)
        (copy / path.relative_to(made)).write_bytes(original)
    read_all(copy)


@pytest.mark.parametrize("kind", [("npy", "uint8")], indirect=True, ids=["npy uint8"])
def test_compacted(made: Path, tmp_path: Path) -> None:
    """A compacted set, whose first shards are gone, has the same rows."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    clip_prep("compact", copy)
    before, after = (
        {row.path: row.tensor.tobytes() for row in read_set(each, "224px")} for each in (made, copy)
    )
    assert before == after
    assert not (copy / "index" / "shard-000000.jsonl").exists()


def test_empty_shard(tmp_path: Path) -> None:
    """A set of nothing but failures has a shard without rows."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"")
    convert(tmp_path / "in", tmp_path / "out", status=3)
    assert list(read_set(tmp_path / "out", "224px")) == []


@pytest.mark.torch
def test_large_pt(tmp_path: Path) -> None:
    """In an archive of more than 4 GiB the rows are found by its Zip64 records."""
    layout, count = Layout(openai(448), "float32", "pt"), 2000
    head, tail = layout.frame(count)
    with open(tmp_path / "large.pt", "w+b") as file:
        file.write(head)
        file.seek(len(head) + count * layout.row_bytes)  # a hole
        file.write(tail)
        file.flush()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            assert len(content) > 1 << 32
            assert pt_begin(content) == len(head)


def read_once(rows: Iterable[Row]) -> list[Row]:
    """The rows, none of which may be of the same image as another."""
    found = list(rows)
    assert len({row.path for row in found}) == len(found)
    return found


def read_all(directory: Path) -> None:
    """Read everything that is in a set of two resolutions."""
    for folder in ("224px", "288px"):
        for _ in read_set(directory, folder):
            pass
    read_failures(directory)
