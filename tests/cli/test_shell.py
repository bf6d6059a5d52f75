"""The command among others: in pipelines and scripts, run by bash as a user would."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import (
    SECONDS,
    SMALL,
    album,
    convert,
    environment,
    paint,
    paths,
    read_lines,
)

Completed = subprocess.CompletedProcess[str]
Shell = Callable[..., Completed]

CONVERT = f"clip-prep convert {shlex.join(SMALL)}"

NOISE = ("Traceback", "Exception ignored", "Broken pipe", "BrokenPipe", "Fatal", "Warning")
"""What nobody is to see, whatever happens to the streams."""


BASH = shutil.which("bash")


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where there is no such program."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program}")


pytestmark = [pytest.mark.skipif(BASH is None, reason="there is no bash"), pytest.mark.slow]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `clip-prep`, and `python` to look at its output with."""
    directory = tmp_path_factory.mktemp("bin")
    for name, what in (("clip-prep", "-m clip_prep_cli"), ("python", "")):
        program = directory / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {what} "$@"\n')
        program.chmod(0o755)
    return directory


@pytest.fixture
def shell(programs: Path, tmp_path: Path) -> Shell:
    """Bash in a directory that holds `in`, of three images, and `bad.png`."""
    album(tmp_path / "in", 3)
    (tmp_path / "bad.png").touch()

    def run(script: str, status: int = 0) -> Completed:
        done = subprocess.run(
            [str(BASH), "-c", script],
            cwd=tmp_path,
            env={**environment(), "PATH": f"{programs}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert [noise for noise in NOISE if noise in done.stderr] == [], done.stderr
        assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done

    return run


def test_find(shell: Shell, tmp_path: Path) -> None:
    """The names of `find -print0` go in, the counts come out as JSON."""
    paint(tmp_path / "in/a b\nc.png", 7)
    script = f"find in -type f -print0 | {CONVERT} -o out --files-from - -0 --json |"
    done = shell(
        f"{script} python -c 'import json, sys; print(json.load(sys.stdin)[\"converted\"])'"
    )
    assert (done.stdout, done.stderr) == ("4\n", "")
    assert "in/a b\nc.png" in paths(tmp_path / "out")


@needs("jq")
def test_jq(shell: Shell) -> None:
    """Failures are in the JSON too, and no word of them is beside it."""
    script = f"set -o pipefail; {CONVERT} -o out in bad.png --json | jq -r '.failures[].path'"
    done = shell(script, 3)
    assert (done.stdout, done.stderr) == ("bad.png\n", "")


def test_xargs_and_substitution(shell: Shell, tmp_path: Path) -> None:
    """Names may be arguments, and a list the output of a command."""
    shell(f"printf '%s\\0' in/*.png | nice xargs -0 {CONVERT} -q -o out")
    assert paths(tmp_path / "out") == ["0000.png", "0001.png", "0002.png"]
    shell(f"{CONVERT} -q -o listed --files-from <(ls -d in/*.png)")
    assert len(paths(tmp_path / "listed")) == 3


@needs("timeout")
@pytest.mark.parametrize(("option", "status"), [("", 124), ("--preserve-status", 130)])
def test_timeout(option: str, status: int, shell: Shell) -> None:
    """`timeout` ends a run that waits for names, and tells its own status or the run's."""
    run = f"{CONVERT} -o out --files-from names -q"
    shell(f"mkfifo names; exec 3<> names; timeout {option} -s INT 0.3 {run} 2> /dev/null", status)


@needs("make")
def test_make(shell: Shell, tmp_path: Path) -> None:
    """The manifest is a stamp: newer than its images after each run, whatever that had to do."""
    rule = f"out/manifest.json: $(wildcard in/*.png)\n\t{CONVERT} in -o out --checksum\n"
    (tmp_path / "Makefile").write_text(rule)
    assert "Converted 3" in shell("make").stdout
    assert "up to date" in shell("make").stdout
    shutil.copy(tmp_path / "in/0000.png", tmp_path / "in/9.png")
    assert "Converted 1" in shell("make").stdout
    assert "Nothing new" in shell("touch in/9.png && make").stdout
    shell("make -q")


def test_two_at_once(shell: Shell, tmp_path: Path) -> None:
    """The second one gets 75 and changes nothing; the first one gets through."""
    done = shell(f"""
        mkfifo names; exec 3<> names
        {CONVERT} -o out --files-from names -q 3>&- & first=$!
        until [ -s out/.clip-prep.lock ]; do :; done
        {CONVERT} -o out in 3>&-; echo $?
        printf '%s\\n' in/*.png >&3; exec 3>&-
        wait $first; echo $?
    """)
    assert done.stdout.split() == ["75", "0"]
    assert "process" in done.stderr
    assert len(paths(tmp_path / "out")) == 3


@pytest.mark.parametrize(("signal", "status"), [("INT", 130), ("TERM", 143)])
def test_killed(signal: str, status: int, shell: Shell) -> None:
    """`$?` of a run that was stopped by a signal is that of any command."""
    done = shell(f"""
        mkfifo names; exec 3<> names
        {CONVERT} -o out --files-from names -q 3>&- & run=$!
        until [ -s out/.clip-prep.lock ]; do :; done
        kill -{signal} $run; wait $run; echo $?
    """)
    assert done.stdout.splitlines()[-1] == str(status)
    assert "Stopped early" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("in -o out", 0),
        ("in -o bad.png/out", 1),
        ("in -o bad.png", 2),
        ("in -o out --no-such", 2),
        ("in bad.png -o out", 3),
    ],
)
def test_exit_status(arguments: str, status: int, shell: Shell) -> None:
    """As the README has it; a result is on stdout alone, and if there is none stderr says why."""
    done = shell(f"{CONVERT} {arguments}", status)
    assert bool(done.stdout) == (status in {0, 3})
    assert bool(done.stderr) == (status in {1, 2})


def test_exit_status_of_verify(shell: Shell) -> None:
    """A bit that flipped is 4, and the difference is the result."""
    spoil = "printf x | dd of=out/224px/shard-000000.npy bs=1 seek=9999 conv=notrunc status=none"
    done = shell(f"{CONVERT} in -q -o out; {spoil}; clip-prep verify out", 4)
    assert "shard-000000.npy" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-"])
def test_closed_streams(closed: str, shell: Shell, tmp_path: Path) -> None:
    """What is not needed may be closed: a set is made, and is whole."""
    shell(f"{CONVERT} in bad.png -o out {closed}", 3)
    assert len(paths(tmp_path / "out")) == 3
    shell(f"clip-prep verify out {closed}")


def test_stderr_closed(shell: Shell, tmp_path: Path) -> None:
    """Nobody to tell is no reason to fail where there is nothing to tell."""
    shell(f"{CONVERT} in -o out -q <&- >&- 2>&-; clip-prep info out 2>&-")
    assert len(paths(tmp_path / "out")) == 3


def test_no_stderr_for_progress(shell: Shell) -> None:
    """Nor where there would be a bar."""
    shell(
        f"set -e; {CONVERT} in -o out 2>&-; clip-prep verify out 2>&-; clip-prep compact out 2>&-"
    )


def test_a_list_from_a_closed_stdin(shell: Shell) -> None:
    """It is as empty as /dev/null."""
    assert "no images" in shell(f"{CONVERT} -o out --files-from - <&-", 1).stderr


def test_a_list_from_a_stdin_that_cannot_be_read(shell: Shell) -> None:
    """The message is about the list, not about the output."""
    done = shell(f"{CONVERT} -o out --files-from - 0> /dev/null", 1)
    assert "Cannot write" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_for_the_result(shell: Shell) -> None:
    """What cannot be printed is an error in words."""
    assert shell("clip-prep models > /dev/full", 1).stderr


def test_nobody_reads_on(shell: Shell, tmp_path: Path) -> None:
    """A pipe that is closed early is no reason for noise."""
    convert(tmp_path / "in", tmp_path / "out")
    for command in (
        *("clip-prep models", "clip-prep --help", "clip-prep --version", "clip-prep info out"),
        *("clip-prep verify out", f"{CONVERT} -v in -o out"),
    ):
        done = shell(f"{command} | true; [ ${{PIPESTATUS[0]}} -le 1 ]")
        assert (done.stdout, done.stderr) == ("", ""), command
    assert shell("clip-prep info out --json | head -c 1").stdout == "{"
    assert "up to date" in shell(f"{CONVERT} -v in -o out | head -1").stdout


def test_a_run_outlives_its_reader(shell: Shell, tmp_path: Path) -> None:
    """The set is complete before anything is printed."""
    shell(f"{CONVERT} -v in bad.png -o out | true")
    assert len(paths(tmp_path / "out")) == 3
    assert read_lines(tmp_path / "out/failures.jsonl")


def test_report_without_a_home(shell: Shell, tmp_path: Path) -> None:
    """Where nothing can be kept for the next time, there is no word about it."""
    convert(tmp_path / "in", tmp_path / "out")
    assert not shell("HOME=/proc clip-prep report out -o report.html").stderr


def test_cron(shell: Shell, tmp_path: Path) -> None:
    """No locale, no home, nowhere to write but the output: nothing is said if all went well."""
    paint(tmp_path / "in/é\udcff.png", 8)
    bare = 'env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH"'
    work = f"{bare} HOME=/proc {CONVERT} {{here}}/in -o {{here}}/out -q".format(here=tmp_path)
    done = shell(f"cd /proc && {work}")
    assert (done.stdout, done.stderr) == ("", "")
    assert paths(tmp_path / "out")[-1] == "é\udcff.png"
    assert "Nothing new" in shell(f"{CONVERT} in -o out").stdout


@pytest.mark.parametrize(("umask", "modes"), [("077", {0o600, 0o700}), ("002", {0o664, 0o775})])
def test_umask(umask: str, modes: set[int], shell: Shell, tmp_path: Path) -> None:
    """Who may read a set is as the user has it, for every file and folder."""
    shell(f"umask {umask}; {CONVERT} in bad.png -q -o out --max-failures 1")
    found = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in found} == modes
