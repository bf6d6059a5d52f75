"""Compacting gives the shards of a fresh run, and leaves a whole set whatever happens to it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from clip_prep_cli.sets.names import LOCK
from clip_prep_cli.storage.lock import HeldDirectory
from tests.support.command import (
    album,
    clip_prep,
    convert,
    failed,
    paint,
    paths,
    read_index,
    read_manifest,
    rows,
)
from tests.support.disks import disk, succeeds
from tests.support.sets import (
    LEFT,
    Contents,
    compact_until,
    contents,
    faults,
    flipped,
    live,
    stamps,
)

pytestmark = pytest.mark.slow

OPTIONS = ("--shard-size", "5")
NAMES = ("0.png", "a/x.png", "a-b/x.png", "a.png", "a/b/y.png", "b.png", "z/w.png", "\xe9.png")
"""In an order that is not that of the paths as strings."""

KILLS = 15
Sources = tuple[Path, Path]


def plant(root: Path, *names: str) -> None:
    """Make images of these names, each its own."""
    for path in map(root.joinpath, names):
        path.parent.mkdir(parents=True, exist_ok=True)
        paint(path, sum(os.fsencode(path.name)))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Two directories of images; those of `NAMES` and one that is no UTF-8 are in the first."""
    base = tmp_path_factory.mktemp("sources")
    plant(base / "one", *NAMES, os.fsdecode(b"caf\xe9.png"), "gone/1.png", "gone/2.png")
    plant(base / "two", "1.png", "2.png", "d/3.png")
    return base / "one", base / "two"


@pytest.fixture(scope="module")
def nightly(sources: Sources) -> Path:
    """The set of those directories after four nights: new, changed, bad and deleted files."""
    one, two = sources
    out = one.parent / "out"
    convert(one, out, *OPTIONS)
    (one / "bad.png").touch()
    for name in ("a.png", "z/w.png"):
        paint(one / name, 1000)
    convert(one, out, *OPTIONS, str(two), status=3)
    shutil.rmtree(one / "gone")
    (two / "d" / "bad.jpg").write_bytes(b"no image")
    paint(one / "a.png", 1001)
    plant(one, "0/new.png")
    convert(one, out, *OPTIONS, str(two), "--prune", status=3)
    plant(two, "a.png")
    convert(one, out, *OPTIONS, str(two), status=3)
    assert list(read_manifest(out)["counts"].values()) == [14, 2, 5, 0]
    return out


@pytest.fixture(scope="module")
def fresh(nightly: Path, sources: Sources) -> Contents:
    """The shards that one run makes of what was not bad."""
    for bad in ("one/bad.png", "two/d/bad.jpg"):
        (nightly.parent / bad).unlink()
    out = nightly.parent / "fresh"
    convert(sources[0], out, *OPTIONS, str(sources[1]))
    return contents(out)


@pytest.fixture
def out(nightly: Path, tmp_path: Path) -> Path:
    """A copy of the nightly set."""
    return Path(shutil.copytree(nightly, tmp_path / "out"))


def test_the_shards_of_a_fresh_run(out: Path, fresh: Contents, sources: Sources) -> None:
    """Tensors and indexes are those of one run over the live images; the failures are kept."""
    before, bad = live(out), failed(out)
    done = clip_prep("compact", out)
    assert done.stdout.startswith(f"Compacted {out} from 7 shards, ")
    assert "copied 14 of 14 rows" in done.stdout
    assert contents(out) == fresh
    assert (live(out), failed(out)) == (before, bad)
    manifest = read_manifest(out)
    assert (manifest["counts"]["superseded"], manifest["complete"]) == (0, True)
    assert [era["action"] for era in manifest["history"]] == ["convert", "compact"]
    assert not faults(out)
    result = json.loads(convert(sources[0], out, *OPTIONS, str(sources[1]), "--json").stdout)
    assert (result["converted"], result["unchanged"]) == (0, 14)
    assert contents(out) == fresh


def test_compacting_twice(out: Path) -> None:
    """A compact set is left alone, to the last file."""
    clip_prep("compact", out, "-q")
    before = stamps(out)
    assert clip_prep("compact", out).stdout.startswith(
        f"Nothing to do: {out} is already compact (3 shards"
    )
    result = json.loads(clip_prep("compact", out, "--json").stdout)
    assert (result["written"], result["rows"], result["complete"]) == (0, 14, True)
    assert stamps(out) == before


def test_dry_run(out: Path) -> None:
    """--dry-run says what would be, and does nothing."""
    before = stamps(out)
    text = clip_prep("compact", out, "-n").stdout
    assert text.startswith(f"Would copy 14 of 14 rows: {out} would go from 7 shards, ")
    said = json.loads(clip_prep("compact", out, "-n", "--json").stdout)
    assert stamps(out) == before
    done = json.loads(clip_prep("compact", out, "--json").stdout)
    for result in (said, done):
        del result["seconds"], result["dry_run"]
    assert said == done
    assert done["bytes_after"] == sum(path.stat().st_size for path in out.glob("224px/*"))


def test_full_shards_at_the_front_are_kept(tmp_path: Path) -> None:
    """What is as a fresh run would make it is not written again."""
    source, out = album(tmp_path / "in", 12), tmp_path / "out"
    convert(source, out, *OPTIONS)
    plant(source, "9.png", "a.png", "b.png", "c.png")
    convert(source, out, *OPTIONS)
    before = stamps(out)
    result = json.loads(clip_prep("compact", out, "--json").stdout)
    assert (result["written"], result["shards_before"], result["shards_after"]) == (6, 4, 4)
    kept = {path for path, stamp in stamps(out).items() if before.get(path) == stamp}
    assert {path.stem for path in kept} == {"shard-000000", "shard-000001"}
    convert(source, tmp_path / "fresh", *OPTIONS)
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.torch
def test_pt_at_two_resolutions(tmp_path: Path) -> None:
    """Other formats and several resolutions are compacted alike."""
    options = (*OPTIONS, "--format", "pt", "-m", "RN50x4", "--dtype", "bfloat16")
    source, out = album(tmp_path / "in", 4), tmp_path / "out"
    convert(source, out, *options)
    paint(source / "0001.png", 100)
    convert(source, out, *options)
    before = live(out)
    clip_prep("compact", out)
    assert live(out) == before
    for number, n_px in enumerate((224, 288)):
        assert rows(out, n_px) == [before[0, path][1][number] for path in sorted(paths(out))]
    assert not faults(out)


@pytest.fixture(scope="module")
def turns(nightly: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many operations compacting the nightly set takes."""
    out = Path(shutil.copytree(nightly, tmp_path_factory.mktemp("turns") / "out"))
    return compact_until(out, -1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kill", range(KILLS))
def test_sigkill(kill: int, turns: int, nightly: Path, out: Path, fresh: Contents) -> None:
    """Killed at any moment, it leaves a whole set, and the same command finishes the work."""
    moments = np.random.default_rng(9).choice(turns, KILLS, replace=False)
    compact_until(out, int(moments[kill]), 9)
    assert live(out) == live(nightly)
    assert failed(out) == failed(nightly)
    assert all(fault.problem.startswith(LEFT) for fault in faults(out))
    clip_prep("compact", out)
    assert contents(out) == fresh
    assert not faults(out)
    assert (live(out), failed(out)) == (live(nightly), failed(nightly))


@pytest.mark.parametrize("signal", [2, 9])
def test_a_set_stays_complete(signal: int, out: Path) -> None:
    """Whether the last run got through is not for compacting to say, interrupted or not."""
    compact_until(out, 30, signal)
    clip_prep("compact", out)
    assert read_manifest(out)["complete"]


@pytest.fixture
def pruned(tmp_path: Path) -> Path:
    """A set of two shards, of which the second has no live row; its images are pruned."""
    source, out = album(tmp_path / "in", 5), tmp_path / "pruned"
    plant(source, "x.png", "y.png")
    convert(source, out, *OPTIONS)
    for name in ("x.png", "y.png"):
        (source / name).unlink()
    convert(source, out, *OPTIONS, "--prune")
    return out


@pytest.mark.parametrize("at", range(3))
def test_pruned_rows_stay_pruned(at: int, pruned: Path) -> None:
    """Killed while it removes a shard of pruned rows, it does not bring them back."""
    compact_until(pruned, at, 9, "unlink")
    assert [path for _, path in live(pruned)] == [f"{number:04}.png" for number in range(5)]
    clip_prep("compact", pruned)
    assert paths(pruned) == [f"{number:04}.png" for number in range(5)]
    assert not faults(pruned)


def test_sigint(out: Path, nightly: Path, fresh: Contents) -> None:
    """A signal ends it in order: status 130, a whole set, and the same command continues."""
    compact_until(out, 30, 2)
    assert live(out) == live(nightly)
    assert not faults(out)
    assert len(list(out.glob("224px/*"))) > 7
    clip_prep("compact", out)
    assert contents(out) == fresh


def test_a_wrong_row(out: Path, nightly: Path, fresh: Contents) -> None:
    """A live row that is not as it was written ends it by name; nothing is lost."""
    shard = out / "224px/shard-000003.npy"
    assert read_index(out, 3)[3]["path"] == "2.png"
    with flipped(shard, 4096 + 3 * 3 * 224 * 224):
        done = clip_prep("compact", out, status=1)
        assert f"{shard}: row 3 (2.png) does not match its checksum" in done.stderr
        assert [(fault.file, fault.row) for fault in faults(out)] == [("224px/shard-000003.npy", 3)]
    assert live(out) == live(nightly)
    clip_prep("compact", out)
    assert contents(out) == fresh


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_full_disk(nightly: Path, fresh: Contents, tmp_path: Path) -> None:
    """Without room for all new shards the set stays whole; with more room it is compacted."""
    out, mount = tmp_path / "disk" / "out", tmp_path / "disk"
    size = sum(path.stat().st_size for path in nightly.rglob("*") if path.is_file())
    with disk(mount, f"size={size + 1_000_000}"):
        shutil.copytree(nightly, out)
        assert "No space left" in clip_prep("compact", out, status=1).stderr
        assert live(out) == live(nightly)
        assert not faults(out)
        assert succeeds("mount", "-o", "remount,size=16m", mount)
        clip_prep("compact", out)
        assert contents(out) == fresh
        assert not faults(out)


def test_a_busy_set(out: Path) -> None:
    """A set that a run writes to is left to it."""
    before, lock = stamps(out), HeldDirectory(out, LOCK)
    assert "Another run" in clip_prep("compact", out, status=75).stderr
    lock.release()
    assert stamps(out) == before


def test_nothing_is_left(tmp_path: Path) -> None:
    """A set of which all images were pruned becomes one empty shard, and knows its failures."""
    source, out = album(tmp_path / "in", 6), tmp_path / "out"
    (source / "bad.png").touch()
    convert(source, out, *OPTIONS, status=3)
    for path in source.glob("00*"):
        path.unlink()
    convert(source, out, *OPTIONS, "--prune", status=3)
    clip_prep("compact", out)
    assert [shard["samples"] for shard in read_manifest(out)["shards"]] == [0]
    assert failed(out) == {"bad.png": "not_an_image"}
    assert not faults(out)
    plant(source, "new.png")
    result = json.loads(convert(source, out, *OPTIONS, "--json", status=3).stdout)
    assert (result["converted"], result["failed_before"]) == (1, 1)


def test_no_set(tmp_path: Path) -> None:
    """A directory that is no set is left as it is."""
    (tmp_path / "notes.txt").touch()
    assert "is not a clip-prep set" in clip_prep("compact", tmp_path, status=1).stderr
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_the_failure_of_an_image_with_a_row(tmp_path: Path) -> None:
    """An image that could be converted once and cannot be now stays failed, and keeps its row."""
    source, out = album(tmp_path / "in", 7), tmp_path / "out"
    convert(source, out, *OPTIONS)
    (source / "0001.png").write_bytes(b"\x89PNG")
    paint(source / "0002.png", 1000)
    convert(source, out, *OPTIONS, status=3)
    before = failed(out)
    clip_prep("compact", out)
    assert failed(out) == before
    assert paths(out).count("0001.png") == 1
    said = convert(source, out, *OPTIONS, status=3).stdout
    assert "Failed before and unchanged: 1 image" in said
