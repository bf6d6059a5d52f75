"""Images that kill or hang their workers, by the hundred; and processes that stand still."""

import time
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from tests.support.command import (
    PROC,
    Env,
    album,
    check_whole,
    convert,
    customized,
    failed,
    paths,
    read_lines,
    rows,
    started,
    wait_until,
)

pytestmark = pytest.mark.slow

_HOOK = """
import ctypes, os, signal, sys, time

libc = ctypes.PyDLL(None)  # whose functions keep the GIL

def look(event, arguments):
    name = arguments[0] if event == "open" else None
    what = os.path.basename(name).partition("-")[0] if isinstance(name, str) else None
    if what not in ("exit", "segv", "kill", "hang", "stuck", "slow"):
        return
    open(os.environ["REACHED"], "ab").close()
    if what == "exit":
        os._exit(3)
    if what in ("segv", "kill"):
        os.kill(os.getpid(), getattr(signal, "SIG" + what.upper()))
    while what == "slow" and not os.path.exists(os.environ["REACHED"] + ".go"):
        time.sleep(0.02)
    for nap in range(25 * (what == "slow")):
        time.sleep(0.02)
    while what == "hang":
        signal.pause()
    while what == "stuck":
        libc.pause()

sys.addaudithook(look)
"""
ENDS = {"exit": "exit status 3", "segv": "SIGSEGV", "kill": "SIGKILL"}


def dangerous(reached: Path) -> Env:
    """The environment in which an image does what its name begins with to the worker.

    `reached` is there as soon as a worker came to one of them. exit-, segv-, kill-: it dies;
    hang-: it waits for ever; stuck-: the same inside of C, with the GIL; slow-: until there is
    a file `reached`.go, and half a second.
    """
    return {**customized(reached.with_name("hook"), _HOOK), "REACHED": str(reached)}


def add(source: Path, *names: str) -> None:
    """Put images with these names between those of an album."""
    for number, name in enumerate(names):
        folder = source / f"{number % 60:04}"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes((source / "0000.png").read_bytes())


def test_hundreds_of_killers(tmp_path: Path) -> None:
    """Each killer fails with how its worker died; all other images are converted, in order."""
    source, out, plain = album(tmp_path / "in", 60), tmp_path / "out", tmp_path / "plain"
    killers = [f"{deed}-{number:02}.png" for number in range(35) for deed in ENDS]
    add(source, *killers)
    options = ("--shard-size", "50", "-j", "2", "--json")
    convert(source, out, *options, status=3, env=dangerous(tmp_path / "reached"))
    lines = {Path(line["path"]).name: line for line in read_lines(out / "failures.jsonl")}
    assert sorted(lines) == sorted(killers)
    for killer, line in lines.items():
        assert line["reason"] == "worker_died"
        assert ENDS[killer.partition("-")[0]] in line["detail"]
    check_whole(out)
    assert paths(out) == [f"{number:04}.png" for number in range(60)]
    convert(source, plain, "--exclude", "*/")
    assert rows(out) == rows(plain)


def test_images_that_hang(tmp_path: Path) -> None:
    """A worker that hangs, even inside of C, costs one image; the others are converted."""
    source, out = album(tmp_path / "in", 20), tmp_path / "out"
    hanging = [f"{deed}-{number}.png" for number in range(3) for deed in ("hang", "stuck")]
    add(source, *hanging)
    env = dangerous(tmp_path / "reached")
    convert(source, out, "--timeout", "1", "-j", "6", status=3, env=env)
    assert {Path(path).name: reason for path, reason in failed(out).items()} == dict.fromkeys(
        hanging, "timeout"
    )
    check_whole(out)
    assert paths(out) == [f"{number:04}.png" for number in range(20)]


def test_a_run_that_was_stopped(tmp_path: Path) -> None:
    """The time for which a whole run stands still (SIGSTOP, Ctrl-Z) is not an image's."""
    source, out = album(tmp_path / "in", 6), tmp_path / "out"
    add(source, "slow-1.png", "slow-2.png")
    env = dangerous(tmp_path / "reached")
    options = ("--timeout", "3", "-j", "2")
    with started(tmp_path / "log", source, out, *options, env=env) as run:
        wait_until((tmp_path / "reached").exists)
        time.sleep(1)  # the parent has looked at its workers, and seen them at these images
        run.signal_group(SIGSTOP)
        time.sleep(3.5)
        run.signal_group(SIGCONT)
        (tmp_path / "reached.go").touch()
        run.ends_with(0)
    assert failed(out) == {}
    assert len(paths(out)) == 8


@pytest.mark.skipif(not PROC, reason="finds processes by /proc")
@pytest.mark.parametrize("deed", ["hang", "stuck"])
def test_no_worker_outlives_its_run(deed: str, tmp_path: Path) -> None:
    """A worker whose parent was killed ends soon, even if it hangs inside of C."""
    source = album(tmp_path / "in", 6)
    add(source, f"{deed}-1.png")
    env = dangerous(tmp_path / "reached")
    with started(tmp_path / "log", source, tmp_path / "out", env=env) as run:
        wait_until((tmp_path / "reached").exists)
        run.process.kill()
        run.process.wait()
        wait_until(lambda: not run.members())
