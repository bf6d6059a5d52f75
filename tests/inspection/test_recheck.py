"""`verify --sources`: rows made anew by Pillow, and what is said of sources that have changed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clip_prep_cli.inspection.recheck import choose
from clip_prep_cli.sets.manifest import ShardEntry
from tests.support.command import album, clip_prep, convert, customized, paint
from tests.support.sets import forge_row

ROW = 3 * 224 * 224

NONE: dict[str, list[str]] = {"changed": [], "gone": [], "unmade": []}
"""Of no source there is anything to say."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of six small images."""
    return album(tmp_path / "in", 6)


@pytest.fixture
def out(source: Path, tmp_path: Path) -> Path:
    """The set of that directory, in shards of 4 rows."""
    convert(source, tmp_path / "out", "--shard-size", "4")
    return tmp_path / "out"


def checked(out: Path, count: str = "all", status: int = 0, **more: Any) -> dict[str, Any]:
    """What the command says of the sources; with the faults, if there must be some."""
    done = clip_prep("verify", out, "--sources", count, "--json", status=status, **more)
    result = json.loads(done.stdout)
    found: dict[str, Any] = result["sources"]
    return {**found, "faults": result["faults"]} if status else found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [("npy", "uint8"), ("npy", "float32"), ("npy", "float16"), ("pt", "bfloat16")],
)
def test_all_equal(suffix: str, dtype: str, sample_images: Path, tmp_path: Path) -> None:
    """Whatever made them, all rows of all kinds of images are those that Pillow makes."""
    out = tmp_path / "out"
    options = ("--exclude", "broken", "-m", "RN50x4", "--format", suffix, "--dtype", dtype)
    convert(sample_images, out, *options, "--shard-size", "7")
    done = clip_prep("verify", out, "--sources", "all")
    assert "\nRecomputed from source with Pillow: 18 images, 18 equal.\n" in done.stdout
    assert checked(out) == {"checked": 18, "equal": 18, **NONE}


def test_exif(tmp_path: Path) -> None:
    """A set of images that were turned upright is made anew in the same way."""
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = Image.effect_noise((40, 24), 90)
    (tmp_path / "in").mkdir()
    noise.save(tmp_path / "in" / "turned.jpg", exif=exif)
    for name in ("apply", "ignore"):
        convert(tmp_path / "in", tmp_path / name, "--exif", name)
        assert checked(tmp_path / name)["equal"] == 1
    applied, ignored = (
        (tmp_path / name / "224px/shard-000000.npy").read_bytes() for name in ("apply", "ignore")
    )
    assert applied != ignored


def test_a_wrong_row(out: Path) -> None:
    """A row that was written wrong, with its checksums, is found by its source alone."""
    forge_row(out, "224px/shard-000001.npy", 1, ROW)
    clip_prep("verify", out)
    found = checked(out, status=4)
    assert found == {
        "checked": 6,
        "equal": 5,
        "changed": [],
        "gone": [],
        "unmade": [],
        "faults": [
            {
                "file": "224px/shard-000001.npy",
                "row": 1,
                "path": "0005.png",
                "problem": "does not match the row recomputed from its source",
            }
        ],
    }


def test_what_became_of_the_sources(source: Path, out: Path) -> None:
    """A source that has changed or is gone is no fault; one that was touched is the same."""
    paint(source / "0000.png", 100)
    (source / "0001.png").write_bytes(b"no image any more")
    (source / "0002.png").unlink()
    os.utime(source / "0003.png", (1, 1))
    changed, gone = [str(source / f"000{n}.png") for n in (0, 1)], [str(source / "0002.png")]
    assert checked(out) == {
        "checked": 6,
        "equal": 3,
        "changed": changed,
        "gone": gone,
        "unmade": [],
    }
    text = clip_prep("verify", out, "--sources", "all").stdout
    for line in (*changed, *gone):
        assert f"\n  {line}\n" in f"{text}\n"


def test_a_source_that_rots_unseen(source: Path, out: Path) -> None:
    """A source of other content with the same size and time has changed; the row is not to blame.

    Whether it can still be decoded or not.
    """
    for name, content in (("0000.png", b""), ("0001.png", (source / "0002.png").read_bytes())):
        stat = (source / name).stat()
        (source / name).write_bytes(content)
        os.truncate(source / name, stat.st_size)
        os.utime(source / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert checked(out)["changed"] == [str(source / f"000{n}.png") for n in (0, 1)]


_KILLED = """
import os, sys

def look(event, arguments):
    worker = "clip_prep_cli.workers.worker" in sys.modules
    if worker and event == "open" and "0003" in str(arguments[0]):
        os._exit(3)

sys.addaudithook(look)
"""


@pytest.mark.slow
def test_a_source_that_kills_its_worker(out: Path, tmp_path: Path) -> None:
    """A source of which nothing can be made now is named; nothing is said of its row."""
    found = checked(out, env=customized(tmp_path / "hook", _KILLED))
    assert (found["equal"], found["changed"], found["gone"]) == (5, [], [])
    assert [Path(path).name for path in found["unmade"]] == ["0003.png"]


@pytest.mark.parametrize(("asked", "done"), [("3", 3), ("6", 6), ("7", 6)])
def test_some(asked: str, done: int, out: Path) -> None:
    """As many rows as asked for are made anew."""
    assert checked(out, asked) == {"checked": done, "equal": done, **NONE}


def test_superseded_rows_are_not_chosen(source: Path, out: Path) -> None:
    """Only live rows have a source that they can be compared with."""
    paint(source / "0002.png", 100)
    convert(source, out, "--shard-size", "4")
    assert checked(out)["equal"] == 6
    entries = [ShardEntry(0, 4, {}, {1, 3}), ShardEntry(2, 3, {}, {0}), ShardEntry(3, 0, {})]
    assert choose(entries, 99) == {0: [0, 2], 2: [1, 2]}
    assert sum(map(len, choose(entries, 2).values())) == 2


def test_a_damaged_index(out: Path) -> None:
    """The rows of a damaged index are left out; those of the others are made anew."""
    with open(out / "index/shard-000000.jsonl", "ab") as index:
        index.write(b"\n")
    assert checked(out, status=4)["equal"] == 2


def test_wrong_counts(out: Path) -> None:
    """--sources takes a number or `all`."""
    for wrong in ("-1", "some", "1.5"):
        assert wrong in clip_prep("verify", out, "--sources", wrong, status=2).stderr
