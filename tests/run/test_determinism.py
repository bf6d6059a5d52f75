"""A set's bytes depend on its inputs and settings alone."""

import os
import shutil
from pathlib import Path
from signal import SIGINT

import numpy as np
import pytest

from tests.support.command import (
    Env,
    clip_prep,
    convert,
    hooked,
    paint,
    paths,
    read_index,
    read_manifest,
    rows,
    started,
    tree_digest,
    wait_until,
)

pytestmark = pytest.mark.slow

OPTIONS = ("-m", "RN50x4", "--shard-size", "4", "--max-failures", "2")


def build(source: Path, order: int) -> list[str]:
    """Make a tree of 31 images and two failures in a random order; its files in byte order."""
    folders = ("a", "\u00e9", "c/d", "B")
    names = [f"{folder}/{number}.png" for folder in folders for number in range(7)]
    names += ["a.png", "z.png", "c/gate.png", "a/empty.jpg", "c/text.jpg"]
    for seed in map(int, np.random.default_rng(order).permutation(len(names))):
        path = source / names[seed]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            paint(path, seed)
        else:
            path.write_text("text" if path.stem == "text" else "")
        os.utime(path, (1e9, 1e9 + seed))
    return sorted(names, key=lambda name: [os.fsencode(part) for part in name.split("/")])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A directory of images in subdirectories, and the images in order."""
    source = tmp_path_factory.mktemp("tree") / "in"
    return source, [name for name in build(source, 0) if name.endswith(".png")]


@pytest.fixture(scope="module")
def expected(tree: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set that one worker makes of that directory."""
    out = tmp_path_factory.mktemp("expected") / "out"
    convert(tree[0], out, *OPTIONS, "-j", "1", env={"PYTHONHASHSEED": "0"})
    return out


def test_order(tree: tuple[Path, list[str]], expected: Path) -> None:
    """Images come in the order of the bytes of their names, directory by directory."""
    assert paths(expected) == tree[1]


@pytest.mark.parametrize(
    ("workers", "env"),
    [("1", {"PYTHONHASHSEED": "1"}), ("3", {"PYTHONHASHSEED": "2"}), ("9", {"LC_ALL": "C"})],
)
def test_workers(
    workers: str, env: Env, tree: tuple[Path, list[str]], expected: Path, tmp_path: Path
) -> None:
    """Any number of workers, hash seed and locale makes the same files, run after run."""
    convert(tree[0], tmp_path / "out", *OPTIONS, "-j", workers, env=env)
    assert tree_digest(tmp_path / "out") == tree_digest(expected)


def test_creation_order(tmp_path: Path) -> None:
    """The order in which a directory's files were made does not matter."""
    source, digests = tmp_path / "in", []
    for order in range(2):
        build(source, order)
        convert(source, tmp_path / f"out{order}", *OPTIONS)
        digests.append(tree_digest(tmp_path / f"out{order}"))
        shutil.rmtree(source)
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    "inputs",
    [
        (".", "c", "c/d", "c/d/3.png"),
        ("c/d/3.png", "c/d", "c", "."),
        ("c/d", ".", "c/../c/d/", "c/d/3.png", "c/d/3.png"),
    ],
)
def test_overlapping_inputs(
    inputs: tuple[str, ...], tree: tuple[Path, list[str]], expected: Path, tmp_path: Path
) -> None:
    """However inputs overlap, each image is converted once, and is itself."""
    source, names = tree
    out = tmp_path / "out"
    options = ("-m", "ViT-B/32", "--dtype", "uint8", "-o", out, *OPTIONS)
    clip_prep("convert", *options, *(source / name for name in inputs))
    manifest = read_manifest(out)
    assert (manifest["counts"]["samples"], manifest["counts"]["failures"]) == (31, 2)
    places = [
        os.path.relpath(Path(manifest["roots"][line["root"]], line["path"]), source)
        for number in range(len(manifest["shards"]))
        for line in read_index(out, number)
    ]
    assert sorted(places) == sorted(names)
    assert dict(zip(places, rows(out), strict=True)) == dict(
        zip(names, rows(expected), strict=True)
    )


def test_interrupted_and_continued(
    tree: tuple[Path, list[str]], expected: Path, tmp_path: Path
) -> None:
    """A set that was interrupted and continued is the set of an uninterrupted run."""
    env = hooked(tmp_path / "hook")
    out = tmp_path / "out"
    with started(tmp_path / "log", tree[0], out, *OPTIONS, env=env) as run:
        wait_until((out / "index" / "shard-000001.jsonl").exists)
        run.signal_group(SIGINT)
        wait_until(lambda: run.has_said("Finishing the images"))
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(128 + SIGINT)
    assert 0 < read_manifest(out)["counts"]["samples"] < 31
    assert not read_manifest(out)["complete"]
    convert(tree[0], out, *OPTIONS)
    assert tree_digest(out) == tree_digest(expected)
