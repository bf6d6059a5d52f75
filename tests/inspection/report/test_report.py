"""`clip-prep report`: what its page says, whatever the set is; that it needs nothing else."""

import base64
import io
import os
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("jinja2")

from clip_prep_cli.sets.manifest import Counts
from clip_prep_cli.sets.manifest import read_manifest as read_manifest_object
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import album, clip_prep, convert, paint, paths, read_manifest, rows
from tests.support.html_page import Page

HOSTILE = (
    "<script>alert(1)<",
    "<img src=x onerror=alert(1)>",
    '"\' onload=\'alert(1)" x="',
    "&lt;b&gt;{{ 7 * 7 }}{% raw %}",
    "\x1b[2J\n\x07\u202e\u2066",
    "caf\u00e9 \u96ea \U0001f431",
    os.fsdecode(b"no \xff utf-8"),
    "https:evil.example",
)
"""What a file can be called."""


def report(directory: Path, *options: str) -> Page:
    """Run the command; its page must be sound."""
    path = directory.parent / "page.html"
    clip_prep("report", directory, "-o", path, *options)
    page = Page(path.read_bytes())
    check_alone(page)
    check_accessible(page)
    return page


def check_alone(page: Page) -> None:
    """Assert that a page loads nothing, runs nothing and leads nowhere."""
    names = {name for name, _ in page.elements}
    assert names.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form"})
    for name, attributes in page.elements:
        for key, value in attributes.items():
            assert not key.startswith("on"), (name, key)
            if key in {"src", "href", "xlink:href", "data", "action", "srcset", "poster"}:
                assert value, name
                assert value.startswith(("#", "data:image/jpeg;base64,")), value[:80]
    assert "http" not in "".join(page.texts("style"))
    assert re.findall(r"url\((?!#)", "".join(page.texts("style"))) == []
    policy = next(meta for meta in page.each("meta") if "http-equiv" in meta)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def check_accessible(page: Page) -> None:
    """Assert what those need who do not see a page, or do not use a mouse."""
    names = [name for name, _ in page.elements]
    for landmark in ("header", "nav", "main", "footer", "h1", "title"):
        assert names.count(landmark) == 1, landmark
    assert next(page.each("html"))["lang"] == "en"
    levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), levels
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    for _, attributes in page.elements:
        for key in ("href", "xlink:href", "aria-labelledby"):
            target = (attributes.get(key) or "").removeprefix("#")
            assert not target or target in ids, target
    assert all(image["alt"] for image in page.each("img"))
    assert all(head.get("scope") in {"col", "row"} for head in page.each("th"))
    assert names.count("table") == names.count("caption")
    charts = [a for _, a in page.elements if a.get("class") == "chart"]
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)


def totals(page: Page) -> dict[str, str]:
    """The figures at its head, each by its label."""
    values = dict(zip(page.texts("dt"), page.texts("dd"), strict=True))
    return {
        name: values[name].split()[0]
        for name in ("Images", "Failures", "Superseded", "Shards", "Skipped")
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Images of several names, formats, modes and sizes, and some that are none."""
    directory = album(tmp_path / "in", 3)
    for number, name in enumerate(HOSTILE):
        paint(directory / f"{name}.png", 10 + number, (300, 200 + number))
        (directory / f"{name}.jpg").touch()
    Image.new("L", (640, 480)).save(directory / "gray.webp")
    (directory / "text.jpg").write_text("text")
    (directory / "passed over.txt").touch()
    return directory


@pytest.fixture
def out(source: Path, tmp_path: Path) -> Path:
    """The set of that directory, of two resolutions, after a second run; its name is hostile."""
    directory = tmp_path / f"out{HOSTILE[1]}{HOSTILE[4]}"
    options = ("-m", "RN50x4", "--shard-size", "4")
    convert(source, directory, *options, status=3)
    paint(source / "0001.png", 99)
    convert(source, directory, *options, status=3)
    return directory


def test_a_set_of_everything(source: Path, out: Path) -> None:
    """The numbers are those of the manifest and the indexes; every name is there, as text."""
    page = report(out)
    manifest = read_manifest(out)
    counts = manifest["counts"]
    assert totals(page) == {
        "Images": str(counts["samples"]),
        "Failures": str(counts["failures"]),
        "Superseded": "1",
        "Shards": str(len(manifest["shards"])),
        "Skipped": "1",
    }
    assert counts["samples"] == len(HOSTILE) + 4
    text = page.text()
    shown = [name for name in HOSTILE if name.isprintable()]
    assert len(shown) == 6
    for name in (*shown, "\\x1b[2J\\n\\x07\\u202e\\u2066", "no \\xff utf-8"):
        assert text.count(f"{name}.png") == 1
        assert text.count(f"{name}.jpg") == 1
    for word in (
        str(source),
        manifest["settings_digest"],
        manifest["updated"].replace("T", " ").replace("+00:00", " UTC"),
        "RN50x4",
    ):
        assert word in text
    times = [time["datetime"] for time in page.each("time")]
    assert times[:2] == [manifest["created"], manifest["updated"]]
    for name, version in manifest["generator"].items():
        assert f"{name} {version}" in text
    assert page.texts("p", "status good") == ["Complete: the last run finished."]
    formats = page.table("Images by format")
    assert formats[1:] == [["PNG", "11", "91.7%"], ["WEBP", "1", "8.3%"]]
    assert page.table("Images by Pillow mode")[1:] == [["RGB", "12", "100.0%"]]


def test_sizes(source: Path, out: Path) -> None:
    """Those of the tensors per resolution, and which images were enlarged to that."""
    page = report(out)
    tensors = page.table("By resolution")[1:]
    assert [row[0] for row in tensors] == ["224 px", "288 px"]
    assert [row[2] for row in tensors] == ["11", "11"]
    paint(source / "small.png", 1, (225, 225))
    convert(source, out, "-m", "RN50x4", "--shard-size", "4", status=3)
    grown = report(out).table("By resolution")[1:]
    assert [row[2] for row in grown] == ["11", "12"]


def test_distributions(tmp_path: Path) -> None:
    """Each image is counted once in each histogram, where `geometry` and its size put it."""
    source = album(tmp_path / "in", 0)
    for number, size in enumerate([(100, 100), (100, 100), (200, 100), (50, 2000), (1000, 1000)]):
        paint(source / f"{number}.png", number, size)
    convert(source, tmp_path / "out")
    page = report(tmp_path / "out")
    assert page.table("Size")[1:] == [
        ["0.01 to 0.013 MP", "2"],
        ["0.018 to 0.024 MP", "1"],
        ["0.1 to 0.13 MP", "1"],
        ["1 to 1.3 MP", "1"],
    ]
    assert page.table("Shape")[1:] == [
        ["1:3.83 and narrower", "1"],
        ["1:1.04 to 1.04:1", "3"],
        ["1.92:1 to 2.09:1", "1"],
    ]
    assert page.table("Lost to the crop")[1:] == [
        ["0% to 5%", "3"],
        ["50% to 55%", "1"],
        ["95% to 100%", "1"],
    ]
    text = page.text()
    assert "From 100 \u00d7 100 to 1,000 \u00d7 1,000 pixels" in text
    assert "On average 29.5% of an image" in text
    assert "3 images kept whole" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "format_"),
    [("float32", "npy"), ("float16", "pt"), ("bfloat16", "pt"), ("uint8", "npy"), ("uint8", "pt")],
)
def test_pictures(dtype: str, format_: str, tmp_path: Path) -> None:
    """They are the stored rows, whatever these are stored as."""
    levels = np.linspace(0, 255, 300).astype(np.uint8)
    image = np.stack([np.tile(levels, (300, 1)), np.tile(levels[:, None], 300)] * 2, axis=-1)
    source = album(tmp_path / "in", 0)
    Image.fromarray(image[..., :3]).save(source / "slope.png")
    convert(source, tmp_path / "plain")
    (row,) = rows(tmp_path / "plain")
    pixels = np.frombuffer(row, np.uint8).reshape(3, 224, 224).transpose(1, 2, 0)
    convert(source, tmp_path / "out", "--dtype", dtype, "--format", format_)
    (shown,) = report(tmp_path / "out").each("img")
    data = base64.b64decode((shown["src"] or "").partition(",")[2])
    found = np.asarray(Image.open(io.BytesIO(data)))
    assert found.shape == (224, 224, 3)
    assert np.abs(found.astype(int) - pixels).mean() < 2  # a JPEG
    assert shown["alt"] == "The stored row of slope.png"


@pytest.mark.slow
def test_the_seed_decides_over_the_pictures(tmp_path: Path) -> None:
    """24 different ones of the live rows, in their order."""
    convert(album(tmp_path / "in", 40), tmp_path / "out", "--shard-size", "16")
    first, again, other = (
        report(tmp_path / "out", "--seed", seed).texts("p", "path") for seed in ("1", "1", "2")
    )
    assert first == again != other
    for shown in (first, other):
        assert len(shown) == 24
        assert shown == sorted(set(shown) & set(paths(tmp_path / "out")))


def test_only_failures(tmp_path: Path) -> None:
    """No image, no chart; of many failures the first, and how many more."""
    source = album(tmp_path / "in", 0)
    for number in range(203):
        (source / f"{number:03}.jpg").touch()
    paint(source / "large.png", 0, (40, 40))
    convert(source, tmp_path / "out", "--max-pixels", "1000", status=3)
    page = report(tmp_path / "out")
    assert totals(page)["Images"] == "0"
    assert totals(page)["Failures"] == "204"
    assert [*page.each("img"), *page.each("svg")] == []
    assert "Every image was converted." not in page.text()
    empty, large = page.texts("details", "reason")
    assert empty.startswith("Not an image not_an_image 203 000.jpg the file is empty 001.jpg")
    assert empty.count(".jpg") == 200
    assert empty.endswith("And 3 more, in failures.jsonl.")
    assert "large.png 1600 pixels exceed --max-pixels" in large


def test_nothing_left(tmp_path: Path) -> None:
    """A set of which every image was pruned."""
    source = album(tmp_path / "in", 1)
    convert(source, tmp_path / "out")
    (source / "0000.png").rename(source / "0000.txt")
    (source / "0001.jpg").touch()
    convert(source, tmp_path / "out", "--prune", status=3)
    page = report(tmp_path / "out")
    assert [totals(page)[name] for name in ("Images", "Failures", "Superseded")] == ["0", "1", "1"]
    assert page.text().count("The set has no images.") == 2


def test_nothing_yet(tmp_path: Path) -> None:
    """A set of which the first run was killed before its first shard."""
    out = tmp_path / "out"
    convert(album(tmp_path / "in", 1), out)
    manifest = read_manifest_object(LocalStorage(out))
    assert manifest
    empty = replace(manifest, shards=(), counts=Counts(), history=())
    replace(empty, complete=False, failures=None).write(LocalStorage(out))
    page = report(out)
    assert [totals(page)[name] for name in ("Images", "Failures", "Shards")] == ["0", "0", "0"]
    assert "Every image was converted." not in page.text()


def test_a_set_that_is_not_complete(tmp_path: Path) -> None:
    """As a run that was killed before anything failed leaves it."""
    out = tmp_path / "out"
    convert(album(tmp_path / "in", 2), out)
    manifest = read_manifest_object(LocalStorage(out))
    assert manifest
    replace(manifest, complete=False, failures=None).write(LocalStorage(out))
    (out / "failures.jsonl").unlink()
    page = report(out)
    assert totals(page)["Failures"] == "0"
    assert page.texts("p", "status bad")[0].startswith("Incomplete")


def test_several_roots(tmp_path: Path) -> None:
    """Paths say which one they are below."""
    one, two = album(tmp_path / "one", 1), album(tmp_path / "two", 1)
    convert(one, tmp_path / "out", two)
    shown = report(tmp_path / "out").texts("p", "path")
    assert shown == [str(one / "0000.png"), str(two / "0000.png")]


def test_history(tmp_path: Path) -> None:
    """Of a later era only what was new in it."""
    out = tmp_path / "out"
    convert(album(tmp_path / "in", 1), out)
    manifest = read_manifest_object(LocalStorage(out))
    assert manifest
    (era,) = manifest.history
    later = era._replace(from_shard=7, generator={**era.generator, "pillow": "99.0"})
    replace(manifest, history=(era, later)).write(LocalStorage(out))
    first, second = report(out).texts("ol", "plain")[0].split(": convert, from shard-")[1:]
    assert "simplejpeg" in first
    assert second == "000007 pillow 99.0"
