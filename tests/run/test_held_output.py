"""The output's name comes to mean another directory while a run or `compact` is at work on it.

Each is a process of its own. It must end with words, and leave alone what has the name now.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clip_prep_cli.sets.names import LOCK
from tests.support.command import (
    SECONDS,
    Env,
    album,
    check_whole,
    clip_prep,
    convert,
    customized,
    environment,
    hooked,
    paint,
    paths,
    started,
    tree_digest,
    wait_until,
)

pytestmark = pytest.mark.slow

OPTIONS = ("--shard-size", "4", "-j", "2")
LOST = "is not the directory that this run began to write to"

Change = Callable[[Path, Path], Path]
"""What happens to an output of which there is another set; where the output is afterwards."""


def moved(out: Path, _: Path) -> Path:
    """Somebody moves the directory away."""
    return out.rename(out.with_name("moved"))


def replaced(out: Path, other: Path) -> Path:
    """Somebody moves the directory away, and another set gets its name."""
    there = moved(out, other)
    shutil.copytree(other, out)
    return there


def switched(out: Path, other: Path) -> Path:
    """The name is a link, and is made to lead to another set."""
    there = out.resolve()
    out.with_name("next").symlink_to(other)
    out.with_name("next").replace(out)
    return there


CHANGES = pytest.mark.parametrize("change", [moved, replaced, switched])


def place(tmp_path: Path, change: Change) -> Path:
    """Where the output is to be, as a user names it."""
    out = tmp_path / "out"
    if change is switched:
        (tmp_path / "first").mkdir()
        out.symlink_to("first")
    return out


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another set, which is finished."""
    convert(album(tmp_path / "pictures", 3), tmp_path / "other", *OPTIONS)
    return tmp_path / "other"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Eleven images, the last of which can hold a run up."""
    directory = album(tmp_path / "in", 10)
    paint(directory / "gate.png", 10)
    return directory


def committed(out: Path) -> int:
    """How many shards are."""
    return len(list(out.glob("index/shard-*.jsonl")))


@contextmanager
def held_up(tmp_path: Path, source: Path, out: Path) -> Iterator[Callable[[], str]]:
    """A run that has come to the image that holds it up; gives what ends it, and what it said."""
    env = hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, *OPTIONS, env=env) as run:
        wait_until(lambda: committed(out) == 2)

        def end() -> str:
            (tmp_path / "hook" / "gate").touch()
            run.ends_with(1)
            return (tmp_path / "log").read_text()

        yield end


@CHANGES
def test_convert(change: Change, source: Path, other: Path, tmp_path: Path) -> None:
    """The other set stays as it is; what was committed is kept, and can be continued."""
    out, before = place(tmp_path, change), tree_digest(other)
    with held_up(tmp_path, source, out) as end:
        there = change(out, other)
        assert LOST in end()
    assert tree_digest(other) == before
    if change is moved:
        assert not out.exists()
    else:
        assert tree_digest(out) == before
    assert committed(there) == 2
    assert not (there / LOCK).exists()
    check_whole(there)
    convert(source, there, *OPTIONS)
    assert len(paths(there)) == 11
    assert not list(there.rglob("*.partial"))


def test_a_second_run(source: Path, tmp_path: Path) -> None:
    """One that began in the place of a removed directory is left to itself, with its lock."""
    out = tmp_path / "out"
    (tmp_path / "second").mkdir()
    with held_up(tmp_path, source, out) as end:
        shutil.rmtree(out)
        with held_up(tmp_path / "second", source, out) as end_second:
            lock = (out / LOCK).read_bytes()
            there = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
            assert LOST in end()
            assert (out / LOCK).read_bytes() == lock
            assert {path: path.stat().st_mtime_ns for path in there} == there
            with pytest.raises(AssertionError, match="exit status 0"):
                end_second()
    assert len(paths(out)) == 11
    assert not (out / LOCK).exists()


def test_a_lock_that_is_removed(source: Path, tmp_path: Path) -> None:
    """Whoever removes the lock of a run ends it, since another one may begin."""
    out = tmp_path / "out"
    with held_up(tmp_path, source, out) as end:
        (out / LOCK).unlink()
        assert "the lock of this run, was removed or replaced" in end()
    check_whole(out)
    convert(source, out, *OPTIONS)
    assert len(paths(out)) == 11


_HOLD = """
import os, sys, time

def look(event, arguments):
    name = str(arguments[0]) if event == "open" else ""
    if name.endswith("224px/shard-000001.npy"):
        open(os.environ["GATE"] + ".reached", "w").close()
        while not os.path.exists(os.environ["GATE"]):
            time.sleep(0.002)

sys.addaudithook(look)
"""


@contextmanager
def compacting(tmp_path: Path, out: Path) -> Iterator[Callable[[], str]]:
    """A `compact` in the middle of its first shard; gives what ends it, and what it said."""
    gate = tmp_path / "gate"
    env: Env = {**customized(tmp_path / "hook", _HOLD), "GATE": str(gate)}
    command = [sys.executable, "-m", "clip_prep_cli", "compact", str(out)]
    with subprocess.Popen(command, env=environment(env), stderr=subprocess.PIPE, text=True) as run:

        def end() -> str:
            gate.touch()
            said: str = run.communicate(timeout=SECONDS)[1]
            assert run.returncode == 1, said
            assert "Traceback" not in said
            return said

        try:
            wait_until((tmp_path / "gate.reached").exists)
            yield end
        finally:
            run.kill()


@CHANGES
def test_compact(change: Change, other: Path, tmp_path: Path) -> None:
    """The other set stays as it is, and so does the one that was to be compacted."""
    out, source = place(tmp_path, change), tmp_path / "in"
    for number in range(3):
        album(source / str(number), 2)
        convert(source, out, *OPTIONS)
    expected, before = paths(out), tree_digest(other)
    with compacting(tmp_path, out) as end:
        there = change(out, other)
        assert LOST in end()
    assert tree_digest(other) == before
    assert change is moved or tree_digest(out) == before
    assert not (there / LOCK).exists()
    assert paths(there) == expected
    check_whole(there)
    clip_prep("compact", there)
    clip_prep("verify", there)
    assert sorted(paths(there)) == sorted(expected)
