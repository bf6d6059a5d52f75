"""`--prune`: the rows of files that do not exist count no more; those of all others stay."""

import json
import os
import shutil
from pathlib import Path

import pytest

from clip_prep_cli.samples.roots import Roots
from clip_prep_cli.sources.inputs import InputSamples
from clip_prep_cli.sources.scope import InputRequest
from clip_prep_cli.sources.selection import Selection
from tests.support.command import (
    album,
    convert,
    customized,
    failed,
    paint,
    paths,
    read_manifest,
    tree_digest,
)
from tests.support.sets import faults, live

OPTIONS = ("--shard-size", "4")


def pruned(source: Path, out: Path, *options: str | Path, status: int = 0) -> int:
    """How many images a run with --prune lets go."""
    done = convert(source, out, *OPTIONS, "--prune", "--json", *options, status=status)
    count: int = json.loads(done.stdout)["pruned"]
    return count


def names(out: Path) -> list[str]:
    """The images of a set that count."""
    return sorted(path for _, path in live(out))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of four images, with a folder of two more, and a bad file in each."""
    album(tmp_path / "in" / "d", 2)
    for number in range(4):
        paint(tmp_path / "in" / f"{number}.png", 10 + number)
    for name in ("bad.png", "d/bad.png"):
        (tmp_path / "in" / name).touch()
    return tmp_path / "in"


@pytest.fixture
def out(source: Path, tmp_path: Path) -> Path:
    """The set of that directory."""
    convert(source, tmp_path / "out", *OPTIONS, status=3)
    return tmp_path / "out"


def test_deleted_files_and_folders(source: Path, out: Path) -> None:
    """Rows of deleted files are superseded, and their failures go; without --prune they stay."""
    (source / "1.png").unlink()
    shutil.rmtree(source / "d")
    convert(source, out, *OPTIONS, status=3)
    assert read_manifest(out)["counts"]["samples"] == 6
    assert len(failed(out)) == 2
    assert pruned(source, out, status=3) == 4
    manifest = read_manifest(out)
    counts = {"samples": 3, "failures": 1, "superseded": 3, "ignored": 0}
    assert manifest["counts"] == counts
    assert [shard["superseded_rows"] for shard in manifest["shards"]] == [[1], [0, 1]]
    assert failed(out) == {"bad.png": "not_an_image"}
    assert names(out) == ["0.png", "2.png", "3.png"]
    assert not faults(out)
    for more in ((), ("--prune",)):  # they stay so when the set is loaded again
        convert(source, out, *OPTIONS, *more, status=3)
        assert read_manifest(out)["counts"] == counts
        assert names(out) == ["0.png", "2.png", "3.png"]


def test_an_empty_folder_may_be_a_disk_that_is_not_mounted(source: Path, out: Path) -> None:
    """What was below a folder that is now empty stays, until the folder is gone as well."""
    shutil.rmtree(source / "d")
    (source / "d").mkdir()
    assert pruned(source, out, status=3) == 0
    (source / "d").rmdir()
    assert pruned(source, out, status=3) == 3


def test_said_in_words(source: Path, out: Path) -> None:
    """The result says how many images went."""
    (source / "1.png").unlink()
    assert "\nWould prune: 1 image" in convert(source, out, *OPTIONS, "--prune", "-n").stdout
    done = convert(source, out, *OPTIONS, "--prune", status=3)
    assert "\nPruned: 1 image" in done.stdout


def test_dry_run(source: Path, out: Path) -> None:
    """--dry-run counts them, and lets none go."""
    shutil.rmtree(source / "d")
    before = tree_digest(out)
    assert pruned(source, out, "--dry-run") == 3
    assert tree_digest(out) == before


def test_a_failure_of_a_converted_image(source: Path, out: Path) -> None:
    """An image with a row and a later failure goes once, with both."""
    (source / "0.png").write_bytes(b"")
    convert(source, out, *OPTIONS, status=3)
    (source / "0.png").unlink()
    assert pruned(source, out, status=3) == 1
    assert "0.png" not in names(out) + list(failed(out))


def test_a_file_that_comes_back(source: Path, out: Path) -> None:
    """A pruned image is new when it comes back, even with its old time."""
    kept = source.parent / "kept.png"
    (source / "1.png").rename(kept)
    assert pruned(source, out, status=3) == 1
    kept.rename(source / "1.png")
    done = convert(source, out, *OPTIONS, "--json", status=3)
    assert json.loads(done.stdout)["converted"] == 1
    assert names(out) == ["0.png", "1.png", "2.png", "3.png", "d/0000.png", "d/0001.png"]
    assert paths(out)[-1] == "1.png"
    assert pruned(source, out, status=3) == 0


def test_only_below_the_inputs(source: Path, out: Path, tmp_path: Path) -> None:
    """Images that this run does not look for are left alone, whatever has become of them."""
    other = album(tmp_path / "other", 2)
    convert(other, out, *OPTIONS)
    (source / "0.png").unlink()
    (source / "d" / "0000.png").unlink()
    (other / "0000.png").unlink()
    assert pruned(source / "1.png", out) == 0
    assert pruned(other, out) == 1
    assert pruned(source / "d", out, status=3) == 1
    assert "0.png" in names(out)
    assert pruned(source, out, status=3) == 1


def test_files_that_are_passed_over(source: Path, out: Path) -> None:
    """A file that is there but not selected any more is not deleted."""
    assert pruned(source, out, "--exclude", "d", "--include", "0.png") == 0
    (source / "d").rename(source / "aside")
    (source / "d").symlink_to("aside")
    assert pruned(source, out, "--exclude", "aside", status=3) == 0
    assert read_manifest(out)["counts"]["samples"] == 6


_LOCKED = """
import os

def refusing(operation):
    def wrapped(path, *arguments, **options):
        if "/d" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return operation(path, *arguments, **options)
    return wrapped

for name in ("scandir", "lstat"):
    setattr(os, name, refusing(getattr(os, name)))
"""


def test_a_folder_that_cannot_be_looked_into(source: Path, out: Path, tmp_path: Path) -> None:
    """What is in a folder that cannot be listed or looked into may be there, and stays."""
    os.unlink(source / "d" / "0000.png")
    env = customized(tmp_path / "hook", _LOCKED)
    done = convert(source, out, *OPTIONS, "--prune", "--json", status=3, env=env)
    result = json.loads(done.stdout)
    assert result["pruned"] == 0
    assert [failure["detail"] for failure in result["failures"]] == [
        "cannot be listed: Permission denied"
    ]
    assert pruned(source, out, status=3) == 1


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (FileNotFoundError, True),
        (NotADirectoryError, True),
        (PermissionError, False),
        (TimeoutError, False),
        (OSError, False),
    ],
)
def test_is_gone(error: type[OSError], gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """Only what certainly does not exist is gone."""

    def refuse(_: str) -> None:
        raise error

    samples = InputSamples(InputRequest(()), Selection(), Roots())
    assert not samples.is_gone(__file__)
    monkeypatch.setattr(os, "lstat", refuse)
    assert samples.is_gone(__file__) == gone


def test_a_run_that_is_stopped_early(source: Path, out: Path) -> None:
    """A run that does not get through prunes nothing."""
    (source / "1.png").unlink()
    album(source / "0", 40)
    (source / "0" / "0000.png").write_bytes(b"")
    assert pruned(source, out, "--fail-fast", "-j", "1", status=3) == 0
    assert read_manifest(out)["counts"]["superseded"] == 0
