"""A set over several runs: what is kept, made again, superseded, refused and swept."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xxhash

from clip_prep_cli.sets.manifest import read_manifest as read_manifest_object
from clip_prep_cli.sets.names import index_file
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import (
    album,
    check_whole,
    convert,
    failed,
    hooked,
    paint,
    paths,
    read_index,
    read_lines,
    read_manifest,
    rows,
    started,
    tree_digest,
    wait_until,
)
from tests.support.sets import faults

pytestmark = pytest.mark.slow

OPTIONS = ("--shard-size", "4")


def counts(source: Path, out: Path, *options: str, status: int = 0) -> tuple[int, ...]:
    """How many images a run converted, left unchanged, failed with, and had failed with before."""
    done = convert(source, out, *OPTIONS, "--json", *options, status=status)
    result = json.loads(done.stdout)
    return tuple(result[key] for key in ("converted", "unchanged", "failed", "failed_before"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of six images and an empty file."""
    directory = album(tmp_path / "in", 6)
    (directory / "0003.jpg").touch()
    return directory


@pytest.fixture
def out(source: Path, tmp_path: Path) -> Path:
    """The set of that directory."""
    convert(source, tmp_path / "out", *OPTIONS, status=3)
    return tmp_path / "out"


def test_nothing_new(source: Path, out: Path) -> None:
    """A second run converts nothing and touches no tensor and no index."""
    files = [path for path in out.rglob("*") if path.suffix in {".npy", ".jsonl"}]
    stats = {path: path.stat() for path in files if path.name != "failures.jsonl"}
    before = tree_digest(out)
    assert counts(source, out, status=3) == (0, 6, 0, 1)
    assert tree_digest(out) == before
    assert {path: path.stat().st_mtime_ns for path in stats} == {
        path: stat.st_mtime_ns for path, stat in stats.items()
    }
    done = convert(source, out, *OPTIONS, "--max-failures", "1")
    assert done.stdout.startswith(f"Nothing new: {out} is up to date (6 images).")
    assert "Failed before and unchanged: 1 image" in done.stdout


@pytest.mark.torch
def test_other_settings(source: Path, out: Path) -> None:
    """Other settings for the same output are refused with both values; the set stays as it is."""
    before = tree_digest(out)
    for option, value, difference in (
        ("--dtype", "float16", "dtype: float16, not uint8"),
        ("--format", "pt", "format: pt, not npy"),
        ("--shard-size", "5", "shard-size: 5, not 4"),
        ("--exif", "apply", "exif: apply, not ignore"),
        ("--model", "RN50x4", "resolutions: 224px + 288px, not 224px"),
    ):
        for dry in ((), ("--dry-run",)):
            done = convert(source, out, *OPTIONS, option, value, *dry, status=1)
            assert difference in done.stderr
            assert "--overwrite" in done.stderr
    assert tree_digest(out) == before


def test_overwrite(source: Path, out: Path, tmp_path: Path) -> None:
    """--overwrite starts a set anew, of other settings if need be, and removes only its own."""
    others = [out / name for name in ("notes.txt", "mine/shard-000000.npy", "224px/mine.npy")]
    others[1].parent.mkdir()
    for path in others:
        path.write_text("mine")
    options = ("-m", "RN50x4", "--shard-size", "100")
    convert(source, out, "--overwrite", *options, status=3)
    for path in others:
        assert path.read_text() == "mine"
        path.unlink()
    others[1].parent.rmdir()
    convert(source, tmp_path / "new", *options, status=3)
    assert tree_digest(out) == tree_digest(tmp_path / "new")


def test_changed_and_new_files(source: Path, out: Path) -> None:
    """What is new or changed goes into a new shard; a changed file's old row is superseded."""
    before = tree_digest(out)
    paint(source / "0001.png", 101)
    paint(source / "0001a.png", 102)
    paint(source / "0003.jpg", 103)
    assert counts(source, out) == (3, 5, 0, 0)
    after = tree_digest(out)
    for name in before.keys() - {"manifest.json", "failures.jsonl"}:
        assert after[name] == before[name], name
    assert [line["path"] for line in read_index(out, 2)] == ["0001.png", "0001a.png", "0003.jpg"]
    manifest = read_manifest(out)
    assert manifest["counts"] == {"samples": 8, "failures": 0, "superseded": 1, "ignored": 0}
    assert [shard["superseded_rows"] for shard in manifest["shards"]] == [[1], [], []]
    assert failed(out) == {}
    assert counts(source, out) == (0, 8, 0, 0)
    convert(source, out, *OPTIONS, "--overwrite")
    newest = dict(zip(paths(out), rows(out), strict=True))
    assert newest["0001.png"] != newest["0001a.png"]


def test_a_touched_file_is_changed(source: Path, out: Path) -> None:
    """A file of another time counts as changed; its newest row counts."""
    os.utime(source / "0005.png", (1e9, 1e9))
    assert counts(source, out, status=3) == (1, 5, 0, 1)
    assert rows(out)[-1] == rows(out)[-2]
    assert read_index(out, 2)[0]["mtime_ns"] == 10**18
    assert counts(source, out, status=3) == (0, 6, 0, 1)


def test_retry_failed(tmp_path: Path) -> None:
    """What failed is tried again if it has changed, or with --retry-failed."""
    source, out = album(tmp_path / "in", 2), tmp_path / "out"
    paint(source / "large.png", 9, (400, 400))
    assert counts(source, out, "--max-pixels", "100000", status=3) == (2, 0, 1, 0)
    assert counts(source, out, status=3) == (0, 2, 0, 1)
    assert counts(source, out, "--max-failures", "1") == (0, 2, 0, 1)
    assert counts(source, out, "--retry-failed") == (1, 2, 0, 0)
    assert counts(source, out, "--retry-failed") == (0, 3, 0, 0)
    assert failed(out) == {}


def test_another_input(source: Path, out: Path, tmp_path: Path) -> None:
    """Images of further inputs join the set; a root's number stays, and each image's identity."""
    more = album(tmp_path / "more", 2)
    assert counts(more, out) == (2, 0, 0, 0)
    assert read_manifest(out)["roots"] == [str(source), str(more)]
    assert counts(more, out, str(source), status=3) == (0, 8, 0, 1)
    assert counts(source, out, str(source / "0001.png"), status=3) == (0, 6, 0, 1)
    assert [line["root"] for line in read_index(out, 2)] == [1, 1]


def test_what_is_not_committed_is_swept(source: Path, out: Path) -> None:
    """Partial files and shards without an index are removed; the shards are made again."""
    before = tree_digest(out)
    uncommit(out, {1})
    for name in ("224px/shard-000001.npy.77.partial", "224px/shard-000009.npy"):
        (out / name).write_text("torn")
    (out / "manifest.json.77.partial").write_text("{")
    assert counts(source, out, status=3) == (3, 3, 0, 1)
    assert tree_digest(out) == before


def uncommit(out: Path, numbers: set[int]) -> None:
    """Leave a set as if a run had been killed before it committed these shards."""
    manifest = read_manifest_object(LocalStorage(out))
    assert manifest
    shards = tuple(entry for entry in manifest.shards if entry.number not in numbers)
    replace(manifest, complete=False, failures=None, shards=shards).write(LocalStorage(out))
    for number in numbers:
        (out / index_file(number)).unlink()


@pytest.mark.parametrize("before", ["overwritten", "not committed"])
def test_stale_failures(before: str, source: Path, out: Path, tmp_path: Path) -> None:
    """Failures of a shard that was made anew do not come back when that run is killed."""
    paint(source / "0003.jpg", 3)
    paint(source / "gate.png", 4)
    options = [*OPTIONS, "--overwrite"]
    if before == "not committed":  # as if killed between the failures and the index
        options = [*OPTIONS]
        uncommit(out, {0, 1})
    env = hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, *options, env=env) as run:
        wait_until(lambda: read_paths(out) == ["0000.png", "0001.png", "0002.png", "0003.jpg"])
        run.process.kill()
        run.process.wait()
    check_whole(out)
    convert(source, out, *OPTIONS)
    convert(source, tmp_path / "new", *OPTIONS)
    assert failed(out) == {}
    assert tree_digest(out) == tree_digest(tmp_path / "new")


def read_paths(out: Path) -> list[str]:
    """The paths of the first shard, if it is there."""
    try:
        return [line["path"] for line in read_index(out, 0)]
    except FileNotFoundError:
        return []


def signed(manifest: dict[str, Any]) -> str:
    """The file of a manifest, with its checksum as the schema describes it."""
    body = json.dumps({k: v for k, v in manifest.items() if k != "xxh128"}, indent=1)[:-2]
    return f'{body},\n "xxh128": "{xxhash.xxh3_128_hexdigest(body.encode())}"\n}}\n'


def test_manifests_that_cannot_be_used(source: Path, out: Path) -> None:
    """Without its manifest, or with one that is damaged or of the future, a set is left alone."""
    manifest = read_manifest(out)
    for content, words in (
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        (signed({**manifest, "format_version": 2}), "format version 2"),
        (signed({**manifest, "tensors": {}}), "damaged"),
        (json.dumps(manifest, indent=2), "its checksum does not match its content"),
    ):
        (out / "manifest.json").write_text(content)
        assert words in convert(source, out, *OPTIONS, status=1).stderr
    (out / "manifest.json").unlink()
    before = tree_digest(out)
    assert "no manifest.json" in convert(source, out, *OPTIONS, status=1).stderr
    assert tree_digest(out) == before
    convert(source, out, *OPTIONS, "--overwrite", status=3)
    assert len(rows(out)) == 6


@pytest.mark.parametrize("name", ["index/shard-000001.jsonl", "failures.jsonl"])
def test_damaged_lines(name: str, source: Path, out: Path) -> None:
    """A torn index or list of failures ends the run with its name, and no traceback."""
    os.truncate(out / name, (out / name).stat().st_size - 20)
    assert name in convert(source, out, *OPTIONS, status=1).stderr


def test_shards_without_rows(tmp_path: Path) -> None:
    """A run in which all retried images fail again leaves no shard; a set has one at least."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(5):
        (source / f"{number}.png").touch()
    assert counts(source, out, status=3) == (0, 0, 5, 0)
    assert [shard["samples"] for shard in read_manifest(out)["shards"]] == [0]
    paint(source / "a.png")
    assert counts(source, out, status=3) == (1, 0, 0, 5)
    before = tree_digest(out)
    for _ in range(2):
        done = convert(source, out, *OPTIONS, "--retry-failed", "--json", status=3)
        result = json.loads(done.stdout)
        assert (result["failed"], result["shards"]) == (5, 0)
    lines = [line.pop("shard") for line in read_lines(out / "failures.jsonl")]
    assert lines == [1] * 5
    after = tree_digest(out)
    del before["failures.jsonl"], after["failures.jsonl"]
    assert after.keys() == before.keys()
    assert not faults(out)


def test_shards_without_rows_of_two_runs(tmp_path: Path) -> None:
    """Empty shards that an interrupted run left at the end go with those of the next."""
    source, out = album(tmp_path / "in", 1), tmp_path / "out"
    for number in range(1, 9):
        (source / f"{number}.png").touch()
    options = ("--shard-size", "1", "--json")
    convert(source, out, *options, "--fail-fast", "-j", "1", status=3)
    result = json.loads(convert(source, out, *options, status=3).stdout)
    assert [shard["samples"] for shard in read_manifest(out)["shards"]] == [1]
    assert result["shards"] == 0
    assert len(failed(out)) == 8
