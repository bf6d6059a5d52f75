"""Runs over compressed archives that end midway, and archives that change under a run."""

import os
import tarfile
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.sources.reader import Reader
from tests.support.command import convert, customized, rows, started, tree_digest
from tests.support.packing import Members, pack, png
from tests.support.sets import faults

pytestmark = pytest.mark.slow

OPTIONS = ("--shard-size", "4")
MEMBERS: Members = {f"{n}.png": png(n) for n in range(30)}

_HOOK = """
import os, sys

def look(event, arguments):
    if event == "open" and "sources-000005" in str(arguments[0]) and "w" not in str(arguments[1]):
        {what}

sys.addaudithook(look)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A compressed archive of 30 images."""
    pack(tmp_path / "in/x.tar.gz", MEMBERS)
    return tmp_path / "in"


@pytest.mark.parametrize("number", [SIGKILL, SIGTERM])
def test_ended_midway(number: int, source: Path, tmp_path: Path) -> None:
    """The next run removes what a kill has left, and the set is that of an undisturbed run."""
    convert(source, tmp_path / "expected", *OPTIONS)
    out = tmp_path / "out"
    env = customized(tmp_path / "hook", _HOOK.format(what=f"os.kill(os.getpid(), {number:d})"))
    with started(tmp_path / "log", source, out, *OPTIONS, env=env) as run:
        run.ends_with(-SIGKILL if number == SIGKILL else 143)
    left = list(out.glob("sources-*.partial"))
    assert bool(left) == (number == SIGKILL)
    assert all(fault.left_over for fault in faults(out))
    convert(source, out, *OPTIONS)
    assert tree_digest(out) == tree_digest(tmp_path / "expected")
    assert rows(out) == rows(tmp_path / "expected")


def test_a_full_disk(source: Path, tmp_path: Path) -> None:
    """No space for what is unpacked ends the run with that word; what is sealed is kept."""
    out = tmp_path / "out"
    full = customized(tmp_path / "hook", _HOOK.format(what='raise OSError(28, "No space left")'))
    said = convert(source, out, *OPTIONS, env=full, status=1).stderr
    assert "No space left in" in said
    assert list(out.glob("sources-*")) == []
    convert(source, out, *OPTIONS)
    convert(source, tmp_path / "expected", *OPTIONS)
    assert tree_digest(out) == tree_digest(tmp_path / "expected")


def test_an_archive_that_changes_under_a_run(tmp_path: Path) -> None:
    """What was packed anew since it was listed is not read at the old places."""
    archive = pack(tmp_path / "x.tar", MEMBERS)
    with tarfile.open(archive) as tar:
        info = tar.getmember("7.png")
    part = Part(str(archive), info.offset_data, info.size, archive.stat().st_mtime_ns)
    reader = Reader(1000)
    assert bytes(reader.read(part)[0]) == MEMBERS["7.png"]
    os.utime(archive, ns=(1, 1))
    with pytest.raises(ImageError, match="changed"):
        reader.read(part)
    with pytest.raises(ImageError, match="--max-pixels"):
        reader.read(part._replace(size=1 << 29))
    size = archive.stat().st_size
    with pytest.raises(ImageError, match="5 bytes too short"):
        reader.read(part._replace(offset=size - 5, size=10))
    os.remove(archive)
    with pytest.raises(ImageError, match="No such file"):
        reader.read(part)
