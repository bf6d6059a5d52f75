"""The progress bar, on terminals of every sort; elsewhere there is none."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support.command import SECONDS, SMALL, Env, album, convert, environment

pytestmark = pytest.mark.slow


def shown(source: Path, *options: str, columns: int = 80, env: Env | None = None) -> str:
    """What a run writes on stderr, which is a terminal that wide."""
    terminal, stderr = pty.openpty()
    termios.tcsetwinsize(terminal, (24, columns))
    command = (sys.executable, "-m", "clip_prep_cli", "convert", *SMALL, source)
    done = subprocess.run(
        [*command, "-o", source.parent / "out", *options],
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=stderr,
        timeout=SECONDS,
        check=True,
    )
    os.write(stderr, b".")  # so that there is something to read
    said = os.read(terminal, 1 << 16).decode()
    os.close(stderr)
    os.close(terminal)
    assert b"%" not in done.stdout
    return said.removesuffix(".")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of three images."""
    return album(tmp_path / "in", 3)


def test_plain_text(source: Path) -> None:
    """The bar is text and carriage returns: no colours, no cursor is moved."""
    said = shown(source, env={"TERM": "dumb", "NO_COLOR": "1"})
    assert "images" in said
    assert all(char.isprintable() or char in "\r\n" for char in said), ascii(said)


@pytest.mark.parametrize("columns", [20, 40])
def test_width(columns: int, source: Path) -> None:
    """It fits the terminal, whatever COLUMNS says."""
    said = shown(source, columns=columns, env={"COLUMNS": "60"})
    assert max(map(len, said.replace("\n", "\r").split("\r"))) <= columns


@pytest.mark.parametrize("option", ["--quiet", "--dry-run"])
def test_none_if_there_is_nothing_to_wait_for(option: str, source: Path) -> None:
    """-q is silent on a terminal too, and listing needs no bar."""
    assert shown(source, option) == ""


def test_none_elsewhere(source: Path) -> None:
    """A log gets no bar, and of a short run nothing."""
    assert not convert(source, source.parent / "out").stderr
