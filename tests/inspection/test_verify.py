"""Every damage to a set is found and named; a sound one is not accused."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.sets.manifest import FORMAT_VERSION
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import (
    album,
    clip_prep,
    convert,
    paint,
    read_index,
    read_manifest,
)
from tests.support.sets import (
    LEFT,
    change_file,
    change_manifest,
    contents,
    faults,
    flipped,
    manifest_of,
    stamps,
)

HEADER = 4096
"""Bytes of an .npy file before its rows."""

ROW = 3 * 224 * 224
FLIPS = {"npy": 200, "pt": 40}


def made(directory: Path, *options: str) -> Path:
    """A set of 3 shards of 4 rows at most, with 2 failures and 2 superseded rows."""
    source, out = album(directory / "in", 9), directory / "out"
    for name in ("0002.jpg", "0007.jpg"):
        (source / name).touch()
    convert(source, out, "--shard-size", "5", *options, status=3)
    for number in (1, 4):
        paint(source / f"{number:04}.png", 100 + number)
    convert(source, out, "--shard-size", "5", *options, status=3)
    assert read_manifest(out)["counts"] == {
        "samples": 9,
        "failures": 2,
        "superseded": 2,
        "ignored": 0,
    }
    assert len(read_manifest(out)["shards"]) == 4
    return out


@pytest.fixture(scope="module", params=FLIPS)
def suffix(request: pytest.FixtureRequest) -> str:
    """A format."""
    return str(request.param)


@pytest.fixture(scope="module")
def sound(suffix: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound set of that format, to look at."""
    return made(tmp_path_factory.mktemp(suffix), "--format", suffix)


@pytest.fixture(scope="module")
def npy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound .npy set."""
    return made(tmp_path_factory.mktemp("npy"))


@pytest.fixture
def out(npy: Path, tmp_path: Path) -> Path:
    """A copy of that set, to spoil."""
    return Path(shutil.copytree(npy, tmp_path / "out"))


def accused(out: Path) -> set[str]:
    """The files that the command names as faulty."""
    result = json.loads(clip_prep("verify", out, "--json", status=4).stdout)
    assert not result["ok"]
    return {fault["file"] for fault in result["faults"]}


@pytest.mark.parametrize("options", [(), ("-m", "RN50x4", "--format", "pt")], ids=" ".join)
def test_a_sound_set(options: tuple[str, ...], tmp_path: Path) -> None:
    """A set with failures and superseded rows is as it was written, and stays untouched."""
    out = made(tmp_path, *options)
    before = stamps(out)
    done = clip_prep("verify", out)
    assert done.stdout.startswith(f"Intact: {out} (4 shards, 11 rows, ")
    assert clip_prep("verify", out, "-q").stdout == ""
    result = json.loads(clip_prep("verify", out, "--json").stdout)
    size = sum(path.stat().st_size for path in out.glob("*/*"))
    assert result.pop("seconds") >= 0
    assert result == {
        "directory": str(out),
        "ok": True,
        "complete": True,
        "faults": [],
        "sources": None,
        "shards": 4,
        "rows": 11,
        "bytes": size,
    }
    assert stamps(out) == before


def places(out: Path, count: int) -> Iterator[tuple[str, int, int]]:
    """Bits of all files of a set in turn: name, byte and bit; of tensors half in the headers."""
    random = np.random.default_rng(count)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    for turn in range(count):
        path = files[turn % len(files)]
        end = path.stat().st_size
        if path.parent.name == "224px" and turn // len(files) % 2:
            end = HEADER
        yield str(path.relative_to(out)), int(random.integers(end)), int(random.integers(8))


def test_every_flipped_bit_is_found(suffix: str, sound: Path) -> None:
    """Whichever bit of whichever file is wrong, that file is named, and no other."""
    hit = set()
    for name, at, bit in places(sound, FLIPS[suffix]):
        with flipped(sound / name, at, bit):
            assert {fault.file for fault in faults(sound)} == {name}, (name, at, bit)
        hit.add(name)
    assert hit == {str(path.relative_to(sound)) for path in sound.rglob("*") if path.is_file()}
    assert not faults(sound)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        *(("manifest.json", 99), ("failures.jsonl", 9), ("index/shard-000001.jsonl", 99)),
        *(("224px/shard-000000.npy", 30), ("224px/shard-000002.npy", HEADER + 9)),
    ],
)
def test_the_command_names_the_file(name: str, at: int, npy: Path) -> None:
    """Exit status 4, and the damaged file among the words and in the JSON, quiet or not."""
    with flipped(npy / name, at):
        done = clip_prep("verify", npy, "-q", status=4)
        assert done.stdout.startswith(f"Not intact: {npy} (")
        assert f"\n  {name}" in done.stdout
        assert "did not finish" not in done.stdout
        assert accused(npy) == {name}


def test_a_wrong_row(npy: Path) -> None:
    """A wrong byte in a row is told with shard, row and image."""
    with flipped(npy / "224px/shard-000001.npy", HEADER + 2 * ROW):
        path = read_index(npy, 1)[2]["path"]
        words = f"224px/shard-000001.npy row 2 ({path}): the row does not match its checksum\n"
        assert words in clip_prep("verify", npy, status=4).stdout


def test_swapped_rows(out: Path) -> None:
    """Two rows that have changed places are both wrong."""
    shard = out / "224px/shard-000000.npy"
    content = shard.read_bytes()
    first, second = (content[HEADER + row * ROW :][:ROW] for row in (0, 1))
    shard.write_bytes(content[:HEADER] + second + first + content[HEADER + 2 * ROW :])
    assert [(fault.file, fault.row) for fault in faults(out)] == [
        *(("224px/shard-000000.npy", 0), ("224px/shard-000000.npy", 1)),
    ]


FILES = ("224px/shard-000001.npy", "index/shard-000001.jsonl", "failures.jsonl")


def replace_by_directory(path: Path) -> None:
    """Put a directory where a file was."""
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": lambda path: os.truncate(path, 0),
    "shorter": lambda path: os.truncate(path, path.stat().st_size - 1),
    "longer": lambda path: os.truncate(path, path.stat().st_size + 1),
    "a directory": replace_by_directory,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_files_of_other_sizes(name: str, damage: str, out: Path) -> None:
    """A file that is missing, cut off, longer, or no file is the one that is named."""
    DAMAGES[damage](out / name)
    assert {fault.file for fault in faults(out)} == {name}


def test_a_manifest_that_is_no_file(out: Path) -> None:
    """What cannot be read at all is said in words."""
    (out / "manifest.json").unlink()
    (out / "manifest.json").mkdir()
    assert "manifest.json" in clip_prep("verify", out, status=1).stderr


def test_a_folder_is_missing(out: Path) -> None:
    """Every file of a lost folder is named."""
    names = {str(path.relative_to(out)) for path in out.glob("224px/*")}
    shutil.rmtree(out / "224px")
    assert accused(out) == names


def test_swapped_shards(out: Path) -> None:
    """Two shards of the same size under each other's name are both wrong, whichever half it is."""
    for folder, suffix in (("224px", "npy"), ("index", "jsonl")):
        first, second = (out / folder / f"shard-00000{n}.{suffix}" for n in (0, 1))
        swap(first, second)
        found = {str(path.relative_to(out)) for path in (first, second)}
        assert {fault.file for fault in faults(out)} == found
        swap(first, second)
    assert not faults(out)


def swap(first: Path, second: Path) -> None:
    """Let two files change their names."""
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kept", [(0, 1, 3), (0, 1, 1, 2, 3), (1, 0, 2, 3)])
def test_other_lines(kept: tuple[int, ...], signed: bool, out: Path) -> None:  # noqa: FBT001
    """An index with a line dropped, twice, or moved is wrong, even if the manifest knows it so."""
    name = "index/shard-000000.jsonl"
    lines = (out / name).read_bytes().splitlines(keepends=True)
    content = b"".join(lines[row] for row in kept)
    if signed:
        change_file(out, name, content)
    else:
        (out / name).write_bytes(content)
    assert {fault.file for fault in faults(out)} == {name}


def test_failures_that_are_too_few(out: Path) -> None:
    """The lines of failures.jsonl must be as many as the manifest counts."""
    counts = manifest_of(out).counts
    change_manifest(out, counts=counts._replace(failures=3))
    assert {fault.file for fault in faults(out)} == {"failures.jsonl"}


def test_strangers(out: Path) -> None:
    """Files and folders that are not of the set are told as such, wherever they lie."""
    names = {"notes.txt", "224px/mine.npy", "index/shard-000000.txt", "mine", "link"}
    for name in names - {"mine", "link"}:
        (out / name).write_text("mine")
    (out / "mine").mkdir()
    (out / "mine" / "shard-000000.npy").touch()
    (out / "link").symlink_to("224px")
    assert {fault.file for fault in faults(out)} == names
    assert {fault.problem for fault in faults(out)} == {"does not belong to the set"}


def test_leftovers(out: Path) -> None:
    """What a killed run leaves is told apart from strangers; a stale lock is nothing at all."""
    (out / ".clip-prep.lock").write_text('{"pid": 1}')
    assert not faults(out)
    names = {"manifest.json.77.partial", "224px/shard-000004.npy.77.partial"}
    names |= {"224px/shard-000009.npy", "index/shard-000009.jsonl"}
    for name in names:
        (out / name).touch()
    assert {fault.file for fault in faults(out)} == names
    assert all(fault.problem.startswith(LEFT) for fault in faults(out))


def test_no_set(out: Path) -> None:
    """A directory that is no set, and a set of the future, are refused in words."""
    shutil.rmtree(out / "index")
    (out / "manifest.json").unlink()
    assert "is not a clip-prep set" in clip_prep("verify", out, status=1).stderr
    clip_prep("verify", out / "none", status=2)


def test_the_future(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set of another format version is not judged."""
    manifest = manifest_of(out)
    with monkeypatch.context() as patch:
        patch.setattr("clip_prep_cli.sets.manifest.FORMAT_VERSION", FORMAT_VERSION + 1)
        manifest.write(LocalStorage(out))
    with pytest.raises(CannotContinueError, match="format version 2"):
        faults(out)
    assert "format version 2" in clip_prep("verify", out, status=1).stderr
    assert contents(out)
