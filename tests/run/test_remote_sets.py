"""Whatever is done with a set, at a URL it is byte for byte what it is in a directory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("fsspec")

import fsspec

import clip_prep_cli
from clip_prep_cli.errors import CannotContinueError, DamagedError, UsageError
from clip_prep_cli.inspection.info import info
from clip_prep_cli.inspection.preview import Request, preview
from clip_prep_cli.inspection.report.page import write_report
from clip_prep_cli.inspection.verify import verify
from clip_prep_cli.run.compact import Observer, compact
from clip_prep_cli.run.convert import Report
from clip_prep_cli.storage.local import LocalStorage
from clip_prep_cli.storage.location import storage_at
from tests.support.command import album, check_whole, clip_prep, paint, tree_digest
from tests.support.sets import faults
from tests.support.urls import download, memory_url

pytestmark = pytest.mark.slow


class Pair:
    """A set in a directory and one at a URL, with which the same is done."""

    def __init__(self, tmp_path: Path) -> None:
        self.here = tmp_path / "out"
        self.url = memory_url()
        self._tmp_path = tmp_path
        self._copies = 0

    def convert(self, source: Path, **options: Any) -> Report:
        """Convert into both; what was done must be the same."""
        given = {"shard_size": 4, "dtype": "uint8", "workers": 1, **options}
        here = clip_prep_cli.convert(source, "ViT-B/32", self.here, **given)
        there = clip_prep_cli.convert(source, "ViT-B/32", self.url, **given)
        assert there.tally == here.tally
        assert (there.pruned, there.shards) == (here.pruned, here.shards)
        return there

    def copy(self) -> Path:
        """What is at the URL by now."""
        self._copies += 1
        return download(self.url, self._tmp_path / f"copy{self._copies}")

    def equal(self) -> bool:
        """Whether both are, byte for byte."""
        return tree_digest(self.copy()) == tree_digest(self.here)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Two places where nothing is yet."""
    return Pair(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Nine images, and one that is none."""
    directory = album(tmp_path / "in", 9)
    (directory / "0002.jpg").touch()
    return directory


def test_a_life(pair: Pair, source: Path) -> None:
    """New, again, more, changed, mended, pruned, with other settings: always the same."""
    assert pair.convert(source).tally.converted == 9
    assert pair.equal()
    assert pair.convert(source).tally.unchanged == 9
    assert pair.equal()
    for number in (3, 20, 21):
        paint(source / f"{number:04}.png", 100 + number)
    assert pair.convert(source, checksum=True).tally.converted == 3
    assert pair.equal()
    paint(source / "mended.png").replace(source / "0002.jpg")
    assert pair.convert(source, retry_failed=True).tally.converted == 1
    (source / "0005.png").unlink()
    assert pair.convert(source, prune=True).pruned == 1
    assert pair.equal()
    check_whole(pair.copy())
    with pytest.raises(CannotContinueError, match="different settings"):
        pair.convert(source, dtype="float16")
    with pytest.raises(CannotContinueError, match=r"memory://.*different settings"):
        clip_prep_cli.convert(source, "ViT-B/16", pair.url, dtype="float16")
    pair.convert(source, dtype="float16", shard_size=5, overwrite=True)
    assert pair.equal()


def test_pt_and_two_resolutions(pair: Pair, source: Path) -> None:
    """The other format, and a shard of more than one file."""
    for out in (pair.here, pair.url):
        clip_prep_cli.convert(
            source, ["RN50", "RN50x4"], out, format="pt", dtype="bfloat16", workers=1
        )
    assert pair.equal()


def test_a_dry_run(pair: Pair, source: Path) -> None:
    """It says the same and leaves nothing."""
    assert pair.convert(source, dry_run=True).tally.planned == 10
    assert list(pair.copy().parent.glob("copy1/*")) == []
    pair.convert(source)
    before = tree_digest(pair.copy())
    assert pair.convert(source, dry_run=True).tally.planned == 0
    assert tree_digest(pair.copy()) == before


def test_nothing_to_convert(tmp_path: Path, pair: Pair) -> None:
    """A run without images leaves nothing at the URL."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotContinueError, match="no images"):
        clip_prep_cli.convert(tmp_path / "empty", "RN50", pair.url)
    assert not fsspec.filesystem("memory").find(pair.url)


def test_what_a_killed_run_has_left(pair: Pair, source: Path) -> None:
    """Objects that belong to no committed shard are removed, whatever they hold; others are not."""
    pair.convert(source)
    fs, top = fsspec.core.url_to_fs(pair.url)
    left = [
        "224px/shard-000009.npy",
        "224px/shard-000003.npy.77.partial",
        "manifest.json.7.partial",
    ]
    for name in left:
        fs.pipe_file(f"{top}/{name}", b"half")
    fs.pipe_file(f"{top}/notes.txt", b"somebody's own")
    found = {fault.file: fault for fault in verify(storage_at(pair.url), 0, 1, ignore).faults}
    assert set(found) == {*left, "notes.txt"}
    assert {name for name in found if found[name].left_over} == set(left)
    pair.convert(source)
    fs.rm_file(f"{top}/notes.txt")
    assert pair.equal()


def test_a_manifest_that_lags_behind(pair: Pair, source: Path) -> None:
    """Shards that were committed after the manifest was written are found."""
    pair.convert(source, shard_size=2)
    fs, top = fsspec.core.url_to_fs(pair.url)
    old = fs.cat_file(f"{top}/manifest.json")
    for number in range(20, 25):
        paint(source / f"{number:04}.png", number)
    pair.convert(source, shard_size=2)
    fs.pipe_file(f"{top}/manifest.json", old)
    assert pair.convert(source, shard_size=2).tally.unchanged == 14
    assert pair.equal()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit": lambda data: data[:9000] + bytes([data[9000] ^ 4]) + data[9001:],
    "the header": lambda data: data[:3000] + b"!" + data[3001:],
    "the end": lambda data: data[:-1],
    "more": lambda data: data + b"\0",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("format", ["npy", "pt"])
def test_verify(pair: Pair, source: Path, damage: str, format: str) -> None:  # noqa: A002
    """It finds at a URL what it finds in a directory."""
    pair.convert(source, format=format)
    name = f"224px/shard-000001.{format}"
    fs, top = fsspec.core.url_to_fs(pair.url)
    assert verify(storage_at(pair.url), 9, 1, ignore).faults == ()
    spoilt = DAMAGES[damage](fs.cat_file(f"{top}/{name}"))
    fs.pipe_file(f"{top}/{name}", spoilt)
    (pair.here / name).write_bytes(spoilt)
    found = verify(storage_at(pair.url), 0, 1, ignore).faults
    assert [
        fault._replace(problem=fault.problem.replace(pair.url, str(pair.here))) for fault in found
    ] == faults(pair.here)
    assert {fault.file for fault in found} == {name}


def test_a_missing_object(pair: Pair, source: Path) -> None:
    """A set that lacks a file is refused by name."""
    pair.convert(source)
    fs, top = fsspec.core.url_to_fs(pair.url)
    fs.rm_file(f"{top}/224px/shard-000001.npy")
    with pytest.raises(DamagedError, match=r"memory://.*/224px/shard-000001.npy is missing"):
        clip_prep_cli.convert(source, "ViT-B/32", pair.url, shard_size=4, dtype="uint8")
    fs.rm_file(f"{top}/manifest.json")
    with pytest.raises(CannotContinueError, match="no manifest"):
        clip_prep_cli.convert(source, "ViT-B/32", pair.url, shard_size=4, dtype="uint8")


def test_looking(pair: Pair, source: Path, tmp_path: Path) -> None:
    """What is in it is told, drawn and described as that of a directory."""
    pair.convert(source)
    there, here = info(storage_at(pair.url)), info(LocalStorage(pair.here))
    assert (there.sources, there.failures) == (here.sources, here.failures)
    assert set(there.files) == set(here.files)
    for name, place in (("here", str(pair.here)), ("there", pair.url)):
        out = storage_at(place)
        preview(Request(out, tmp_path / f"{name}.png", count=9, seed=0))
        write_report(out, tmp_path / f"{name}.html", 0)
    assert picture(tmp_path / "there.png") == picture(tmp_path / "here.png")
    assert pair.url in (tmp_path / "there.html").read_text()


def test_what_needs_it_here(pair: Pair, source: Path) -> None:
    """Compacting and memory-mapping are refused, with the way out."""
    pair.convert(source)
    with pytest.raises(UsageError, match="Copy it here"):
        compact(storage_at(pair.url), Observer())
    from clip_prep_cli.dataset import TensorDataset

    with pytest.raises(UsageError, match="Copy the set to this machine"):
        TensorDataset(pair.url)
    done = clip_prep("compact", "s3://bucket/set", status=2)
    assert "`aws s3 sync s3://bucket/set DIR`" in done.stderr


def picture(path: Path) -> bytes:
    """The pixels of a sheet below its caption, which names the set."""
    with Image.open(path) as image:
        return image.crop((0, 60, *image.size)).tobytes()


def ignore(*_: int) -> None:
    """Take no notice of progress."""
