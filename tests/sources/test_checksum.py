"""`--checksum`: the content of a file decides whether it has changed, not its time."""

import json
import os
from pathlib import Path

import pytest
import xxhash

from clip_prep_cli.sources.checksum import UNREADABLE, file_xxh128
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


def counts(source: Path, out: Path, *options: str, status: int = 0, **more: object) -> list[int]:
    """How many images a run converted, left unchanged, failed with, and had failed with before."""
    done = convert(source, out, "--json", *options, status=status, **more)  # type: ignore[arg-type]
    result = json.loads(done.stdout)
    return [result[key] for key in ("converted", "unchanged", "failed", "failed_before")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of four images."""
    return album(tmp_path / "in", 4)


@pytest.fixture
def out(source: Path, tmp_path: Path) -> Path:
    """The set of that directory."""
    convert(source, tmp_path / "out")
    return tmp_path / "out"


def replace_unseen(path: Path, content: bytes) -> None:
    """Give a file other content, its size and time being the same."""
    stat = path.stat()
    path.write_bytes(content)
    os.truncate(path, stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_touched_file(source: Path, out: Path) -> None:
    """A file of another time and the same content is not converted again; without it, it is."""
    os.utime(source / "0001.png", (1, 1))
    before = tree_digest(out)
    assert counts(source, out, "--checksum") == [0, 4, 0, 0]
    assert tree_digest(out) == before
    assert counts(source, out, "--dry-run")[1] == 3
    assert counts(source, out, "--dry-run", "--checksum")[1] == 4
    assert counts(source, out) == [1, 3, 0, 0]


def test_a_file_that_changed_unseen(source: Path, out: Path) -> None:
    """A file of other content with the same size and time is converted again, once."""
    replace_unseen(source / "0001.png", paint(source.parent / "other.png", 9).read_bytes())
    replace_unseen(source / "0002.png", b"no image")
    assert counts(source, out) == [0, 4, 0, 0]
    assert counts(source, out, "--checksum", status=3) == [1, 2, 1, 0]
    assert paths(out)[-1] == "0001.png"
    assert read_manifest(out)["counts"]["superseded"] == 1
    assert failed(out) == {"0002.png": "not_an_image"}
    assert counts(source, out, "--checksum", status=3) == [0, 3, 0, 1]


def test_another_size(source: Path, out: Path) -> None:
    """A file of another size has changed without being read."""
    paint(source / "0001.png", 9, (30, 30))
    paint(source / "new.png", 10)
    assert counts(source, out, "--checksum") == [2, 3, 0, 0]


def test_many_files(tmp_path: Path) -> None:
    """Files are read ahead, and stay in order."""
    source, out = album(tmp_path / "in", 300), tmp_path / "out"
    convert(source, out)
    changed = (0, 255, 256, 299)
    for number in changed:
        paint(source / f"{number:04}.png", 1000 + number)
    assert counts(source, out, "--checksum") == [4, 296, 0, 0]
    assert paths(out)[300:] == [f"{number:04}.png" for number in changed]


_UNREADABLE = """
import sys

def look(event, arguments):
    if event == "open" and str(arguments[0]).endswith("0001.png"):
        raise PermissionError(13, "Permission denied", arguments[0])

sys.addaudithook(look)
"""


def test_an_unreadable_file(source: Path, out: Path, tmp_path: Path) -> None:
    """A file that cannot be read is a failure, and its old row stays."""
    env = customized(tmp_path / "hook", _UNREADABLE)
    assert counts(source, out, env=env) == [0, 4, 0, 0]
    assert counts(source, out, "--checksum", status=3, env=env) == [0, 3, 1, 0]
    assert failed(out) == {"0001.png": "unreadable"}
    assert read_manifest(out)["counts"]["samples"] == 4


def test_mended(source: Path, out: Path) -> None:
    """A file that went bad and is again what it was is no failure any more."""
    good, time = (source / "0001.png").read_bytes(), (source / "0001.png").stat().st_mtime_ns
    (source / "0001.png").write_bytes(b"")
    assert counts(source, out, status=3) == [0, 3, 1, 0]
    (source / "0001.png").write_bytes(good)
    os.utime(source / "0001.png", ns=(time, time))
    assert counts(source, out) == [0, 4, 0, 0]
    assert failed(out) == {}
    assert read_manifest(out)["counts"]["failures"] == 0


def test_file_xxh128(tmp_path: Path) -> None:
    """The checksum of the bytes asked for; what is no file has none, and none is waited for."""
    data, path = os.urandom(3_000_000), tmp_path / "file"
    path.write_bytes(data)
    for size in (0, 1, 1 << 20, 3_000_000, 3_000_001):
        assert file_xxh128(str(path), size) == xxhash.xxh3_128_intdigest(data[:size])
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", ".", "pipe"):
        assert file_xxh128(str(tmp_path / name), 9) == UNREADABLE
