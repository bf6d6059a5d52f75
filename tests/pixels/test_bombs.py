"""Decompression bombs cost neither minutes nor gigabytes, and nothing beside them."""

from pathlib import Path

import pytest

from tests.support.bombs import BOMBS
from tests.support.command import PROC, album, convert, customized, failed, paint, paths, read_lines

pytestmark = pytest.mark.slow

LIMITS = """
import os, resource, sys

resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))

def look(event, arguments):
    if event == "open" and str(arguments[0]).endswith("/zzz.png"):
        with open("/proc/self/status") as status, open(os.environ["PEAK"], "w") as peak:
            peak.write(status.read())

sys.addaudithook(look)
"""
"""A worker is ended by what takes too much, and says what it has taken before the last image."""


@pytest.fixture(scope="module")
def defused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a directory of images and `BOMBS` was converted by one worker, with little of all."""
    directory = tmp_path_factory.mktemp("bombs")
    source = album(directory / "in", 2)
    paint(source / "zzz.png")
    for name, (_, content) in BOMBS.items():
        (source / name).write_bytes(content)
    env = customized(directory / "limits", LIMITS)
    env |= {"PEAK": str(directory / "peak"), "OMP_NUM_THREADS": "1"}
    convert(source, directory / "out", "-j", "1", status=3, env=env)
    return directory


@pytest.mark.parametrize("name", BOMBS)
def test_each_is_a_failure_or_an_image(name: str, defused: Path) -> None:
    """Each fails for its own reason, not for want of memory or time, or is converted."""
    assert failed(defused / "out").get(name, "") == BOMBS[name][0]
    assert (name in paths(defused / "out")) == (BOMBS[name][0] == "")


def test_what_is_too_large_is_so_by_its_size(defused: Path) -> None:
    """None is refused only since there was no memory for it."""
    for line in read_lines(defused / "out" / "failures.jsonl"):
        if line["reason"] == "too_large":
            assert line["detail"].endswith(
                ("pixels exceed --max-pixels", "it would be too large")
            ), line


def test_the_images_beside_them_are_converted(defused: Path) -> None:
    """The run goes on to its end."""
    assert {"0000.png", "0001.png", "zzz.png"} <= set(paths(defused / "out"))


@pytest.mark.skipif(not PROC, reason="needs /proc")
def test_memory(defused: Path) -> None:
    """All of them together leave a worker below a gigabyte at its peak."""
    status = dict(line.split(":", 1) for line in (defused / "peak").read_text().splitlines())
    assert int(status["VmHWM"].split()[0]) < 1_000_000, status["VmHWM"]
