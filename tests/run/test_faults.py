"""Killed runs, killed workers, hanging decoders, two runs at once: nothing is lost or torn."""

import json
import os
import socket
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from tests.support.command import (
    PROC,
    SECONDS,
    Running,
    album,
    check_whole,
    convert,
    customized,
    hooked,
    paint,
    paths,
    read_lines,
    read_manifest,
    rows,
    shards,
    started,
    tree_digest,
    wait_until,
)

pytestmark = pytest.mark.slow

IMAGES = 150
OPTIONS = ("--shard-size", "5", "-j", "2")
HELD = 15
"""The shard in which `gate.png` is, and its place from 0 on: so many can be sealed before it."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of 150 images; one fails, and one in the middle can hold a run up."""
    directory = album(tmp_path_factory.mktemp("source") / "in", IMAGES - 1)
    (directory / "0013.png").write_bytes(b"")
    (directory / "0075").mkdir()
    paint(directory / "0075" / "gate.png", IMAGES)
    return directory


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an uninterrupted run makes of that directory."""
    out = tmp_path_factory.mktemp("expected") / "out"
    convert(source, out, *OPTIONS, status=3)
    return tree_digest(out)


def sealed(out: Path) -> int:
    """How many shards are committed."""
    return len(list(out.glob("index/shard-*.jsonl")))


def reached(out: Path, moment: str) -> bool:
    """Whether a run has come to `moment`: a number of shards, or a file."""
    return sealed(out) >= int(moment) if moment.isdecimal() else any(out.glob(moment))


@pytest.mark.parametrize(
    "moment",
    [
        *(".clip-prep.lock", "manifest.json*", "manifest.json", "224px/*.partial"),
        *("224px/shard-*.npy", "index/*.partial", "1", "7", "15"),
    ],
)
def test_sigkill(moment: str, source: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """Killed at any moment, a run leaves whole files, and the same command finishes its set."""
    out, env = tmp_path / "out", hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, *OPTIONS, env=env) as run:
        # A run that is held up in the middle may have been too fast for some moments before it.
        wait_until(lambda: reached(out, moment) or sealed(out) == HELD)
        run.process.kill()
        run.process.wait()
        check_whole(out)
        (tmp_path / "hook" / "gate").touch()
        wait_until(lambda: not PROC or not run.members())  # no process outlives its run for long
    before = {path: path.stat().st_mtime_ns for path in out.glob("index/*.jsonl")}
    convert(source, out, *OPTIONS, status=3)
    assert tree_digest(out) == expected
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_stopped(number: int, source: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """A signal ends a run in order: status 128 + n, what was sealed kept, and it can go on."""
    out, env = tmp_path / "out", hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, *OPTIONS, env=env) as run:
        wait_until(lambda: sealed(out) == HELD)
        run.signal_group(number)
        wait_until(lambda: run.has_said("Finishing the images"))
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(128 + number)
        assert run.has_said("Stopped early; run the same command again")
    check_whole(out)
    manifest = read_manifest(out)
    assert not manifest["complete"]
    assert HELD <= len(manifest["shards"]) == len(shards(out, 224)) < IMAGES / 5
    assert not list(out.rglob("*.partial"))
    assert not (out / ".clip-prep.lock").exists()
    convert(source, out, *OPTIONS, status=3)
    assert tree_digest(out) == expected


def test_stopped_twice(source: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """A second signal ends a run at once, whatever it waits for."""
    out, env = tmp_path / "out", hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, *OPTIONS, env=env) as run:
        wait_until(lambda: sealed(out) == HELD)
        run.signal_group(SIGINT)
        wait_until(lambda: run.has_said("Finishing the images"))
        run.signal_group(SIGINT)
        run.ends_with(-SIGINT)
    check_whole(out)
    convert(source, out, *OPTIONS, status=3)
    assert tree_digest(out) == expected


_SIGNAL_ITSELF = """
import os, sys

def look(event, arguments):
    if event == "import" and arguments[0] == {module!r}:
        os.kill(os.getpid(), {number})

sys.addaudithook(look)
"""


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
@pytest.mark.parametrize("module", ["click", "clip_prep_cli.run.convert"])
def test_stopped_while_starting(module: str, number: int, source: Path, tmp_path: Path) -> None:
    """A signal that comes while the command still imports itself ends it with its status too."""
    code = _SIGNAL_ITSELF.format(module=module, number=int(number))
    env = customized(tmp_path / "hook", code)
    with started(tmp_path / "log", source, tmp_path / "out", *OPTIONS, env=env) as run:
        assert run.process.wait(SECONDS) in {-number, 128 + number}
        assert not run.has_said("Traceback")
        assert not run.has_said("Converted 149 images")


@pytest.mark.skipif(not PROC, reason="finds workers by /proc")
def test_killed_workers(source: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """Workers that are killed from outside are replaced, and no image is lost."""
    out, env = tmp_path / "out", hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, *OPTIONS, env=env) as run:
        wait_until(lambda: sealed(out) == HELD)
        victims = run.workers()
        assert len(victims) == 2
        for victim in victims:
            os.kill(victim, SIGKILL)
        wait_until(lambda: bool(set(run.workers()) - set(victims)))
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(3)
    assert tree_digest(out) == expected


def test_killer_images(tmp_path: Path) -> None:
    """Images that kill or hang their worker fail, by name and with how; the others do not."""
    source = album(tmp_path / "in", 30)
    names = ("hang-1.png", "hang-2.png", "killer-exit.png", "killer-segv.png")
    for seed, name in enumerate(names):
        paint(source / name, 100 + seed)
    out = tmp_path / "out"
    options = ("--timeout", "1", "--shard-size", "20", "-j", "2")
    convert(source, out, *options, status=3, env=hooked(tmp_path / "hook"))
    lines = {line["path"]: line for line in read_lines(out / "failures.jsonl")}
    reasons = {name: line["reason"] for name, line in lines.items()}
    assert reasons == dict(zip(names, ["timeout"] * 2 + ["worker_died"] * 2, strict=True))
    assert "--timeout" in lines["hang-1.png"]["detail"]
    assert "exit status 3" in lines["killer-exit.png"]["detail"]
    assert "SIGSEGV" in lines["killer-segv.png"]["detail"]
    check_whole(out)
    assert paths(out) == [f"{number:04}.png" for number in range(30)]
    plain = tmp_path / "plain"
    convert(source, plain)
    assert rows(out) == rows(plain)[:30]


def test_two_runs_at_once(tmp_path: Path) -> None:
    """A second run on an output is refused while the first is at work, which it names."""
    source = album(tmp_path / "in", 2)
    paint(source / "gate.png", 2)
    out, env = tmp_path / "out", hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, env=env) as run:
        wait_until(lambda: any(out.glob("224px/*.partial")))
        for more in ((), ("--overwrite",)):
            refused = convert(source, out, *more, status=75)
            assert f"process {run.process.pid} on {socket.gethostname()}" in refused.stderr
            assert not refused.stdout
        result = json.loads(convert(source, out, "--dry-run", "--json").stdout)
        assert result["planned"] == 3
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(0)
    assert paths(out) == ["0000.png", "0001.png", "gate.png"]


def test_stale_lock(tmp_path: Path) -> None:
    """The lock file that a killed run has left is no obstacle."""
    source = album(tmp_path / "in", 2)
    paint(source / "gate.png", 2)
    out, env = tmp_path / "out", hooked(tmp_path / "hook")

    def held_up() -> bool:
        return any(out.glob("224px/*.partial"))

    with started(tmp_path / "log", source, out, env=env) as run:
        wait_until(held_up)
        kill_group(run)
    assert (out / ".clip-prep.lock").exists()
    assert held_up()
    convert(source, out)
    assert not (out / ".clip-prep.lock").exists()
    assert not held_up()


def kill_group(run: Running) -> None:
    """Kill a run and all its processes at once."""
    run.signal_group(SIGKILL)
    run.process.wait()
