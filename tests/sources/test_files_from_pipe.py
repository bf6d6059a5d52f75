"""`convert --files-from` a pipe: names that come slowly, or never."""

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from tests.support.command import (
    album,
    check_whole,
    clip_prep,
    convert,
    environment,
    paths,
    read_manifest,
    tree_digest,
    wait_until,
)
from tests.support.listing import MOMENTS, command, convert_listed, counts, silent
from tests.support.sets import manifest_of

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("source")
def test_names_that_come_slowly(out: Path) -> None:
    """Images are converted as they are named, and the set is that of the whole list."""
    with silent(out, "--shard-size", "2") as run:
        run.say("in/0003.png", "in/0001.png")
        wait_until(lambda: run.has_sealed(0))
        run.say("in/0000.png", "in/0003.png", "in/0002.png", "in/0001.png")
        wait_until(lambda: run.has_sealed(1))
        run.end()
        assert counts(run.ends_with(0)) == (4, 0, 0)
    whole = out.with_name("whole")
    convert_listed(b"in/0003.png\nin/0001.png\nin", whole, "--shard-size", "2")
    assert tree_digest(out) == tree_digest(whole)


def test_a_signal_before_the_first_name(source: Path, out: Path) -> None:
    """The run ends within moments, as any that was stopped."""
    with silent(out) as run:
        run.process.send_signal(SIGTERM)
        assert counts(run.ends_with(143)) == (0, 0, 0)
    assert not manifest_of(out).complete
    clip_prep("verify", out)
    convert(source, out)
    assert read_manifest(out)["complete"]


def test_a_signal_when_nobody_reads(out: Path) -> None:
    """Ctrl-C ends a `tee` as well; the run stops in order all the same."""
    with silent(out) as run:
        assert run.process.stderr
        run.process.stderr.close()
        run.process.send_signal(SIGINT)
        run.ends_with(130)


def test_a_set_without_roots(out: Path) -> None:
    """The manifest of a run that was stopped before the first name is as its schema says."""
    with silent(out) as run:
        run.process.send_signal(SIGINT)
        run.ends_with(130)
    assert read_manifest(out)["roots"] == []


@pytest.mark.usefixtures("source")
def test_a_signal_after_some_names(out: Path) -> None:
    """What is sealed is kept, the rest is none, and the whole list goes on from there."""
    with silent(out, "--shard-size", "2") as run:
        run.say(*(f"in/000{number}.png" for number in range(3)))
        wait_until(lambda: run.has_sealed(0))
        run.process.send_signal(SIGINT)
        assert counts(run.ends_with(130)) == (2, 0, 0)
    check_whole(out)
    assert paths(out) == ["in/0000.png", "in/0001.png"]
    assert counts(convert_listed(b"in", out, "--shard-size", "2")) == (2, 2, 0)


def test_a_signal_before_there_is_a_writer(out: Path) -> None:
    """A FIFO that nobody writes to yet is as silent as any other."""
    os.mkfifo(out.parent / "unwritten")
    process = subprocess.Popen(
        command(out, "--files-from", "unwritten"), cwd=out.parent, env=environment()
    )
    try:
        wait_until((out / ".clip-prep.lock").exists)
        process.send_signal(SIGINT)
        assert process.wait(MOMENTS) == 130
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("source")
def test_a_failure_while_the_list_is_silent(out: Path) -> None:
    """--fail-fast does not wait for further names."""
    (out.parent / "bad.png").touch()
    with silent(out, "--shard-size", "1", "--fail-fast") as run:
        run.say("bad.png", "in/0000.png")
        assert counts(run.ends_with(3))[2] == 1


@pytest.mark.usefixtures("source")
def test_a_killed_run_keeps_its_roots(out: Path) -> None:
    """A root that only the list has led to is in the manifest before a row names it."""
    elsewhere, other = (album(out.parent.parent / f"{out.parent.name}-{n}", 1) for n in "ab")
    with silent(out, "--shard-size", "1") as run:
        for shard, name in enumerate(("in/0000.png", f"{elsewhere}/0000.png")):
            run.say(name)
            wait_until(partial(run.has_sealed, shard))
        run.process.kill()
        run.process.wait()
    convert(other, out, "--shard-size", "1")
    found = json.loads(clip_prep("verify", out, "--sources", "all", "--json").stdout)
    assert (found["sources"]["equal"], found["sources"]["gone"]) == (3, [])
