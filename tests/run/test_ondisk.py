"""What is on disk after a run: tensors, indexes, failures and manifest, file by file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from PIL import Image

from tests.support.command import (
    album,
    clip_prep,
    convert,
    failed,
    paint,
    paths,
    read_index,
    read_lines,
    read_manifest,
    rows,
    shard_rows,
    shards,
)
from tests.support.oracle import encoded, reference_pixels

KINDS = (
    *(("npy", "float32"), ("npy", "float16"), ("npy", "uint8")),
    *(("pt", "float32"), ("pt", "float16"), ("pt", "bfloat16"), ("pt", "uint8")),
)
pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency")

COUNT = 18
"""Sample images that can be converted; two more cannot."""

Kind = tuple[str, str]


@pytest.fixture(scope="module", params=KINDS, ids=" ".join)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A format and a dtype that go together."""
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def made(kind: Kind, sample_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample images as a set of that kind, at two resolutions, in shards of 7."""
    out = tmp_path_factory.mktemp("made") / "out"
    models = ("-m", "ViT-B/32", "-m", "RN50", "-m", "RN50x4")
    options = ("--format", kind[0], "--dtype", kind[1], "--shard-size", "7")
    clip_prep("convert", sample_images, "-o", out, *models, *options, status=3)
    return out


@pytest.fixture(scope="module")
def pixels(sample_images: Path) -> dict[tuple[str, int], Any]:
    """What the reference makes of each sample image at each resolution, before ToTensor."""
    names = [path.name for path in sample_images.iterdir() if path.suffix not in {".py", ""}]
    found: dict[tuple[str, int], Any] = {}
    for name in names:
        with Image.open(sample_images / name) as image:
            found |= {(name, n_px): reference_pixels(image, n_px) for n_px in (224, 288)}
    return found


@pytest.mark.parametrize("n_px", [224, 288])
def test_bytes(kind: Kind, made: Path, pixels: dict[tuple[str, int], Any], n_px: int) -> None:
    """Every row of every format and dtype is bit for bit what the reference makes of the image."""
    names = paths(made)
    assert len(names) == COUNT
    differing = [
        name
        for name, row in zip(names, rows(made, n_px), strict=True)
        if row != encoded(pixels[name, n_px], kind[1])
    ]
    assert differing == []


def test_loading(kind: Kind, made: Path) -> None:
    """numpy.load and torch.load open the shards, mapped or not, with their dtype and shape."""
    for path, count in zip(shards(made, 288), (5, 7, 6), strict=True):
        if kind[0] == "npy":
            mapped = np.load(path, mmap_mode="r")
            assert (mapped.shape, mapped.dtype) == ((count, 3, 288, 288), np.dtype(kind[1]))
            assert mapped.flags.c_contiguous
            assert mapped.offset == 4096
        else:
            import torch

            tensor = torch.load(path, mmap=True, weights_only=True)
            assert (tensor.shape, tensor.dtype) == ((count, 3, 288, 288), getattr(torch, kind[1]))
            assert tensor.is_contiguous()
            assert torch.equal(tensor, torch.load(path))


def test_index(made: Path, sample_images: Path) -> None:
    """An index has a line per row, in row order, that tells source and row by their checksums."""
    for number, count in enumerate((5, 7, 6)):
        lines = read_index(made, number)
        assert [line["row"] for line in lines] == list(range(count))
        stored = {path.parent.name: shard_rows(path) for path in made.glob(f"*px/*{number}.*")}
        for line in lines:
            source = sample_images / line["path"]
            with Image.open(source) as image:
                seen = (image.format, image.mode, *image.size)
            stat = source.stat()
            assert line == {
                "row": line["row"],
                "root": 0,
                "path": source.name,
                "bytes": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
                "xxh128": xxhash.xxh3_128_hexdigest(source.read_bytes()),
                **dict(zip(("format", "mode", "width", "height"), seen, strict=True)),
                "rows": {
                    folder: xxhash.xxh3_64_hexdigest(of[line["row"]])
                    for folder, of in stored.items()
                },
            }


def test_manifest(kind: Kind, made: Path, sample_images: Path) -> None:
    """The manifest fits its schema and is true: settings, roots, counts, files and their sizes."""
    manifest = read_manifest(made)
    assert manifest["complete"]
    assert (manifest["tensors"]["format"], manifest["tensors"]["dtype"]) == kind
    assert manifest["tensors"]["normalized"] == (kind[1] != "uint8")
    assert [(at["n_px"], at["folder"]) for at in manifest["resolutions"]] == [
        (224, "224px"),
        (288, "288px"),
    ]
    assert {"ViT-B/32", "RN50"} <= set(manifest["resolutions"][0]["models"])
    assert manifest["roots"] == [str(sample_images)]
    sources = len(list(sample_images.glob("*.py")))
    counts = {"samples": COUNT, "failures": 2, "superseded": 0, "ignored": sources}
    assert manifest["counts"] == counts
    described = [(shard["name"], shard["samples"]) for shard in manifest["shards"]]
    assert described == [("shard-000000", 5), ("shard-000001", 7), ("shard-000002", 6)]
    there = [path for path in made.rglob("*") if path.is_file()]
    sizes = {str(path.relative_to(made)): path.stat().st_size for path in there}
    del sizes["manifest.json"], sizes["failures.jsonl"]
    listed = {name: size for shard in manifest["shards"] for name, size in shard["files"].items()}
    assert listed == sizes


def test_failures(made: Path, sample_images: Path) -> None:
    """A failure's line tells the file as it was, and why it is not in the set."""
    lines = read_lines(made / "failures.jsonl")
    names = ["broken/not-an-image.jpg", "broken/truncated.jpg"]
    assert [line["path"] for line in lines] == names
    for line, reason in zip(lines, ("not_an_image", "truncated"), strict=True):
        stat = (sample_images / line["path"]).stat()
        assert (line["root"], line["reason"], line["shard"]) == (0, reason, 0)
        assert (line["bytes"], line["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns)
        assert line["detail"]


def test_all_models_share_rows(tmp_path: Path) -> None:
    """One pass for all models: each resolution's folder has the same images in the same rows."""
    source = album(tmp_path / "in", 3)
    convert(source, tmp_path / "out", "-m", "all")
    folders = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert folders == {"index", "224px", "288px", "336px", "384px", "448px"}
    for n_px in (224, 288, 336, 384, 448):
        stored = rows(tmp_path / "out", n_px)
        for name, row in zip(("0000.png", "0001.png", "0002.png"), stored, strict=True):
            with Image.open(source / name) as image:
                assert row == encoded(reference_pixels(image, n_px), "uint8")


@pytest.mark.parametrize("suffix", ["npy", "pt"])
def test_failed_images_are_closed_up(suffix: str, tmp_path: Path) -> None:
    """Rows of failed images are closed up in order; a shard of failures alone has no rows."""
    source = album(tmp_path / "in", 12)
    whole, holed = tmp_path / "whole", tmp_path / "holed"
    convert(source, whole)
    gone = {0, 2, 3, *range(4, 8), 11}  # first, middle and last ones; all of the second shard
    for number in gone:
        (source / f"{number:04}.png").write_bytes(b"")
    convert(source, holed, "--format", suffix, "--shard-size", "4", status=3)
    kept = [number for number in range(12) if number not in gone]
    assert paths(holed) == [f"{number:04}.png" for number in kept]
    assert rows(holed) == [row for number, row in enumerate(rows(whole)) if number in kept]
    assert [len(read_index(holed, number)) for number in range(3)] == [1, 0, 3]
    assert sorted(failed(holed)) == [f"{number:04}.png" for number in sorted(gone)]
    assert [shard["samples"] for shard in read_manifest(holed)["shards"]] == [1, 0, 3]
    empty = shards(holed, 224)[1]
    if suffix == "npy":
        assert np.load(empty, mmap_mode="r").shape == (0, 3, 224, 224)
    else:
        import torch

        assert torch.load(empty, mmap=True).shape == (0, 3, 224, 224)


@pytest.mark.parametrize(("size", "counts"), [(6, [5]), (5, [5]), (4, [4, 1]), (1, [1] * 5)])
def test_shard_size(size: int, counts: list[int], tmp_path: Path) -> None:
    """Shards are filled up in order; only the last one may be smaller."""
    source = album(tmp_path / "in", 5)
    convert(source, tmp_path / "out", "--shard-size", str(size))
    found = [len(shard_rows(path)) for path in shards(tmp_path / "out", 224)]
    assert found == counts
    assert [len(read_index(tmp_path / "out", number)) for number in range(len(counts))] == counts
    assert paths(tmp_path / "out") == [f"{number:04}.png" for number in range(5)]


def test_names(tmp_path: Path) -> None:
    """Any file name survives, not UTF-8, spaces and newlines too; order is that of the bytes."""
    directory = tmp_path / os.fsdecode(b"d\xe9 \n")
    directory.mkdir()
    names = [b"a b.png", b"a\nb.png", b"caf\xe9.png", "caf\u00e9.png".encode(), b"-n.png"]
    names += ["\u2028\U0001f600.png".encode(), b'quo"te\\.png', b"tab\t.png", b"\xff.png"]
    for seed, name in enumerate(names):
        paint(directory / os.fsdecode(name), seed)
    out = tmp_path / os.fsdecode(b"out \xff\n")
    convert(tmp_path, out, "-q", status=2)  # inside its input
    convert(directory, out, "-q")
    assert [os.fsencode(path) for path in paths(out)] == sorted(names)
    assert read_manifest(out)["roots"] == [str(directory)]
    for line in read_index(out, 0):
        source = Path(read_manifest(out)["roots"][0], line["path"])
        assert line["xxh128"] == xxhash.xxh3_128_hexdigest(source.read_bytes())
    assert '"unchanged": 9' in convert(directory, out, "--json", env={"LC_ALL": "C"}).stdout
