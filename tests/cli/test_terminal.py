"""Names with control characters, on a terminal: none is shown as it is, wherever it comes up."""

import fcntl
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.command import SECONDS, SMALL, Env, album, convert, environment, failed, paint

pytestmark = pytest.mark.slow

NASTY = (
    "x\x1b]0;title\x07\x1b[2J\x9b31m\x85\x7f\n!forged\r!forged\u2028!forged\u202e\u2066\udc9b\udcff"
)
"""A title and colours set, a screen cleared, lines forged, text turned round, and no UTF-8."""


def shown(*arguments: str | Path, status: int, env: Env | None = None) -> str:
    """What `clip-prep` writes, on stdout or stderr, where both are a terminal."""
    terminal, end = pty.openpty()
    command = (sys.executable, "-m", "clip_prep_cli", *arguments)
    process = subprocess.Popen(command, stdout=end, stderr=end, env=environment(env))
    os.close(end)
    parts = []
    with suppress(OSError):  # the end, on Linux
        while part := os.read(terminal, 1 << 16):
            parts.append(part)
    os.close(terminal)
    text = b"".join(parts).decode()
    assert process.wait(SECONDS) == status, text
    return text


def check(text: str) -> None:
    """Assert that a terminal shows all of `text`, and that no name has begun a line."""
    assert text
    assert "Traceback" not in text
    assert all(c.isprintable() or c in "\r\n" for c in text), ascii(text)
    assert not any(line.startswith("!forged") for line in text.splitlines()), ascii(text)


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    """A directory of such names: it, a folder, an image, no image, a suffix."""
    source = album(tmp_path / NASTY, 1)
    (source / NASTY).mkdir()
    (source / NASTY / f"{NASTY}.jpg").touch()
    (source / f".{NASTY}").touch()
    (source / f"x.{NASTY}").touch()
    paint(source / f"{NASTY}.png")
    return source


@pytest.mark.parametrize("option", ["-v", "-q", "--json", "--dry-run", "--fail-fast"])
def test_results(option: str, nasty: Path, tmp_path: Path) -> None:
    """Summary, progress, and JSON; the records have the name as it is."""
    out = tmp_path / f"out{NASTY}"
    arguments = ("convert", *SMALL, nasty, "-o", out, option)
    check(shown(*arguments, status=0 if option == "--dry-run" else 3))
    if option != "--dry-run":
        assert failed(out) == {f"{NASTY}/{NASTY}.jpg": "not_an_image"}


def nothing_there(source: Path, out: Path) -> None:
    """An input that does not exist."""
    (source / "0000.png").unlink()
    source.rmdir()
    del out


def output_inside(source: Path, out: Path) -> None:
    """An output that is a link into the input."""
    out.symlink_to(source)


def output_is_a_file(source: Path, out: Path) -> None:
    """An output that is a file."""
    out.touch()
    del source


def output_is_nowhere(source: Path, out: Path) -> None:
    """An output that cannot be made."""
    out.symlink_to("nowhere")
    del source


def no_images(source: Path, out: Path) -> None:
    """An input with nothing but a strange suffix."""
    (source / "0000.png").rename(source / f"x.{NASTY}")
    del out


def other_settings(source: Path, out: Path) -> None:
    """A set of other settings."""
    convert(source, out, "--shard-size", "7")


def no_manifest(source: Path, out: Path) -> None:
    """A set that has lost its manifest."""
    convert(source, out)
    (out / "manifest.json").unlink()


def damaged_manifest(source: Path, out: Path) -> None:
    """A set with a strange manifest."""
    out.mkdir()
    (out / "manifest.json").write_text(json.dumps({"format_version": NASTY}))
    del source


def locked(source: Path, out: Path) -> None:
    """A set that a strange process holds, for as long as this process lives."""
    out.mkdir()
    file = os.open(out / ".clip-prep.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.write(file, json.dumps({"pid": NASTY, "host": NASTY, "since": NASTY}).encode())
    del source


@pytest.mark.parametrize(
    ("arrange", "status"),
    [
        (nothing_there, 2),
        (output_inside, 2),
        (output_is_a_file, 2),
        (output_is_nowhere, 1),
        (no_images, 1),
        (other_settings, 1),
        (no_manifest, 1),
        (damaged_manifest, 1),
        (locked, 75),
    ],
)
def test_errors(arrange: Callable[[Path, Path], None], status: int, tmp_path: Path) -> None:
    """Messages about inputs and outputs, and about what lies in these."""
    source, out = album(tmp_path / f"in{NASTY}", 1), tmp_path / f"out{NASTY}"
    arrange(source, out)
    check(shown("convert", *SMALL, source, "-o", out, status=status))


@pytest.mark.parametrize(
    "options",
    [("-m", NASTY), ("--dtype", NASTY), ("--max-failures", NASTY), ("-j", NASTY), (f"--{NASTY}",)],
)
def test_usage(options: tuple[str, ...], tmp_path: Path) -> None:
    """Values and options that there are not."""
    check(shown("convert", *SMALL, tmp_path, "-o", tmp_path / "out", *options, status=2))
