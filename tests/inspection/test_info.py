"""`clip-prep info`: what it says of a set, for people and as JSON."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clip_prep_cli.sets.manifest import Era
from clip_prep_cli.sets.manifest import read_manifest as read_manifest_object
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import (
    album,
    clip_prep,
    convert,
    hooked,
    paint,
    read_manifest,
    started,
    wait_until,
)

TWO_MODELS = ("-m", "ViT-L/14@336px", "--shard-size", "4")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of 5 noisy PNGs, one of them there twice, a gray JPEG, 2 failures, a text."""
    directory = album(tmp_path / "in", 5)
    (directory / "copy.png").write_bytes((directory / "0000.png").read_bytes())
    Image.new("L", (400, 300)).save(directory / "gray.jpg")
    (directory / "empty.jpg").touch()
    (directory / "text.png").write_text("no image")
    (directory / "notes.txt").touch()
    return directory


@pytest.fixture
def out(source: Path, tmp_path: Path) -> Path:
    """The set of that directory, in two shards."""
    convert(source, tmp_path / "out", *TWO_MODELS, status=3)
    return tmp_path / "out"


def as_json(directory: Path) -> dict[str, Any]:
    """The object of `info --json`."""
    result: dict[str, Any] = json.loads(clip_prep("info", directory, "--json").stdout)
    return result


def lines(directory: Path) -> dict[str, str]:
    """The lines of `info`, by label; those without one belong to the label before."""
    found: dict[str, str] = {}
    label = ""
    for line in clip_prep("info", directory).stdout.splitlines():
        label = line[:12].strip() or label
        if line:
            found[label] = f"{found[label]}\n{line[12:]}" if label in found else line[12:]
    return found


def test_json(source: Path, out: Path) -> None:
    """Everything there is to know."""
    found = as_json(out)
    manifest = read_manifest(out)
    for key in ("created", "updated", "generator", "history", "tensors", "resolutions"):
        assert found[key] == manifest[key]
    assert found["roots"] == [str(source)]
    assert found["complete"] is True
    assert found["running"] is False
    assert (found["images"], found["rows"], found["superseded"]) == (7, 7, 0)
    assert found["failures"] == {"not_an_image": 2}
    assert (found["ignored"], found["shards"]) == (1, 2)
    assert found["sources"] == {
        "bytes": sum(p.stat().st_size for p in source.iterdir() if "0" in p.name)
        + sum((source / name).stat().st_size for name in ("copy.png", "gray.jpg")),
        "formats": {"PNG": 6, "JPEG": 1},
        "modes": {"RGB": 6, "L": 1},
        "pixels": {"smallest": 24 * 16, "median": 24 * 16, "largest": 400 * 300},
        "duplicates": 1,
    }


def test_sizes(out: Path) -> None:
    """Bytes of every folder and file are those on disk."""
    found = as_json(out)["files"]
    for name, size in found.items():
        files = [p for p in (out / name, *(out / name).glob("*")) if p.is_file()]
        assert size == sum(p.stat().st_size for p in files), name
    assert set(found) == {p.name for p in out.iterdir()}


def test_text(source: Path, out: Path) -> None:
    """The same for people."""
    said = lines(out)
    assert said["Set"] == str(out)
    assert said["Images"] == "7"
    assert said["Failed"] == "2: 2 not_an_image"
    assert said["Skipped"] == "1 other file in the last run"
    assert said["Complete"] == "yes"
    assert said["Tensors"] == "uint8, not normalized, .npy\n2 shards of up to 4 images"
    assert said["EXIF"] == "ignored, as CLIP does"
    sizes = said["On disk"].splitlines()
    assert sizes[0].split(maxsplit=3)[3] == "RN50, RN101, ViT-B/32, ViT-B/16, ViT-L/14"
    assert sizes[1].startswith("336px")
    assert sizes[2].startswith("total")
    assert said["Formats"] == "6 PNG, 1 JPEG"
    assert said["Modes"] == "6 RGB, 1 L"
    assert said["Megapixels"] == "<0.01 to 0.12, median <0.01"
    assert said["Duplicates"] == "1 image with the same content as another"
    assert said["Roots"] == str(source)
    assert said["Made with"].startswith("clip-prep ")
    paths = (str(out), str(source))
    text = clip_prep("info", out).stdout.splitlines()
    assert [line for line in text if len(line) > 80 and not line.endswith(paths)] == []


def test_superseded_rows_count_no_more(source: Path, out: Path) -> None:
    """The image of the newest row is the one that is counted."""
    paint(source / "0001.png", 99, (30, 20))
    convert(source, out, *TWO_MODELS, status=3)
    found = as_json(out)
    assert (found["images"], found["rows"], found["superseded"]) == (7, 8, 1)
    assert sum(found["sources"]["formats"].values()) == 7
    assert lines(out)["Images"] == "7 in 8 rows; 1 superseded"


def test_exif(tmp_path: Path) -> None:
    """A set that departs from the reference says so."""
    convert(album(tmp_path / "in", 1), tmp_path / "out", "--exif", "apply")
    assert lines(tmp_path / "out")["EXIF"] == "applied: images are turned upright first"


def test_history(out: Path) -> None:
    """A set of several eras: all versions of the first, what was other in the later ones."""
    manifest = read_manifest_object(LocalStorage(out))
    assert manifest
    first = manifest.history[0]
    second = Era(1, "2030-01-02T03:04:05+00:00", "convert", {**first.generator, "pillow": "99.0"})
    third = second._replace(from_shard=2, action="compact")
    replace(manifest, history=(first, second, third)).write(LocalStorage(out))
    said = lines(out)
    assert "Made with" not in said
    assert said["History"].count("clip-prep ") == 1
    assert "shard 1, 2030-01-02 03:04:05 UTC, converted with\n  pillow 99.0" in said["History"]
    assert said["History"].endswith(
        "shard 2, 2030-01-02 03:04:05 UTC, compacted with\n  the same versions"
    )
    assert [era["action"] for era in as_json(out)["history"]] == ["convert", "convert", "compact"]


def test_while_a_run_is_at_work_and_after_it_was_killed(source: Path, tmp_path: Path) -> None:
    """What is committed is told, and that it is not all, and what to do."""
    paint(source / "gate.png")
    out = tmp_path / "out"
    env = hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, "--shard-size", "2", env=env) as run:
        wait_until((out / "index" / "shard-000000.jsonl").exists)
        assert as_json(out)["running"] is True
        assert lines(out)["Complete"].startswith("not yet")
        run.process.kill()
        run.process.wait()
        assert as_json(out)["complete"] is False
        assert "run the same command again" in lines(out)["Complete"]


def test_an_empty_set(tmp_path: Path) -> None:
    """A set in which everything failed."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.jpg").touch()
    convert(tmp_path / "in", tmp_path / "out", status=3)
    assert as_json(tmp_path / "out")["sources"]["pixels"] is None
    said = lines(tmp_path / "out")
    assert said["Images"] == "0"
    assert said["Failed"] == "1: 1 not_an_image"


def test_no_set(tmp_path: Path) -> None:
    """A directory that holds none, and none at all."""
    assert "is not a clip-prep set" in clip_prep("info", tmp_path, status=1).stderr
    assert "does not exist" in clip_prep("info", tmp_path / "none", status=2).stderr


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    """Words and no traceback."""
    (tmp_path / "manifest.json").mkdir()
    said = clip_prep("info", tmp_path, status=1).stderr
    assert f"{tmp_path / 'manifest.json'}: Is a directory" in said


def test_names_are_not_printed_raw(tmp_path: Path) -> None:
    """Neither the set's nor its root's, on a terminal."""
    nasty = "x\x1b[2J\x9b31m\n!forged\u202e\udcff"
    source, out = album(tmp_path / f"in{nasty}", 1), tmp_path / f"out{nasty}"
    convert(source, out)
    done = clip_prep("info", out)
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    sheet = tmp_path / f"{nasty}.png"
    done = clip_prep("preview", out, "-o", sheet)
    assert done.stdout.removesuffix("\n").isprintable()
    assert sheet.exists()


def test_damage(out: Path) -> None:
    """An index that is torn, or has one wrong byte, is named."""
    index = out / "index" / "shard-000001.jsonl"
    for content in (index.read_bytes()[:20], index.read_bytes().replace(b"xxh128", b"xxh129", 1)):
        index.write_bytes(content)
        assert "index/shard-000001.jsonl is damaged" in clip_prep("info", out, status=1).stderr
