"""What is no regular file, in the tree, at the end of a link, or suddenly: never read."""

import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import album, convert, failed, hooked, paint, paths, started, wait_until

ZERO = Path("/dev/zero")


def device(path: Path) -> None:
    """Make an endless file: another /dev/zero."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.stat(ZERO).st_rdev)
    except OSError:
        pytest.skip("devices cannot be made here")


def listener(path: Path) -> None:
    """Make the file of a socket."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # short enough for an address


def link(path: Path) -> None:
    """Make a link to an endless file."""
    path.symlink_to(ZERO)


MAKERS = {"fifo": os.mkfifo, "socket": listener, "device": device, "link": link}

each = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@each
def test_in_a_tree_they_are_passed_over(make: Callable[[Path], None], tmp_path: Path) -> None:
    """They are counted, with --follow-links too, and nothing fails."""
    source = album(tmp_path / "in", 1)
    make(source / "special.png")
    for options in ((), ("-L",)):
        done = convert(source, tmp_path / f"out{len(options)}", "--json", *options)
        assert sum(json.loads(done.stdout)["ignored"].values()) == 1
        assert paths(tmp_path / f"out{len(options)}") == ["0000.png"]


@each
def test_if_named_they_fail(make: Callable[[Path], None], tmp_path: Path) -> None:
    """Who names one is told that it cannot be read; nothing waits for it or reads it."""
    make(tmp_path / "special.png")
    convert(tmp_path / "special.png", tmp_path / "out", status=3)
    assert failed(tmp_path / "out") == {"special.png": "unreadable"}


@pytest.mark.slow
@each
def test_in_the_place_of_an_image_they_fail(make: Callable[[Path], None], tmp_path: Path) -> None:
    """An image that becomes one between its listing and its reading is a failure."""
    source = album(tmp_path / "in", 0)
    for name in ("gate.png", "image.png", "next.png"):
        paint(source / name)
    env = hooked(tmp_path / "hook")
    out = tmp_path / "out"
    with started(tmp_path / "log", source, out, "-j", "1", env=env) as run:
        wait_until(lambda: any(out.glob("224px/*.partial")))
        (source / "image.png").unlink()
        make(source / "image.png")
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(3)
    assert failed(out) == {"image.png": "unreadable"}
    assert paths(out) == ["gate.png", "next.png"]


def test_links_between_folders_end(tmp_path: Path) -> None:
    """Folders that lead to each other are walked once per way to them, without a circle."""
    for name, other in (("a", "b"), ("b", "a")):
        album(tmp_path / "in" / name, 1)
        (tmp_path / "in" / name / "to").symlink_to(f"../{other}")
    convert(tmp_path / "in", tmp_path / "out", "-L")
    ways = ["a/0000.png", "a/to/0000.png", "b/0000.png", "b/to/0000.png"]
    assert paths(tmp_path / "out") == ways


def test_links_out_of_the_tree_are_not_followed(tmp_path: Path) -> None:
    """By default nothing outside the input is read, whichever way leads there."""
    source, outside = album(tmp_path / "in", 1), album(tmp_path / "outside", 1)
    (source / "folder").symlink_to(outside)
    (source / "file.png").symlink_to(outside / "0000.png")
    (source / "relative.png").symlink_to("../outside/0000.png")
    (source / "link.png").symlink_to("file.png")
    done = convert(source, tmp_path / "out", "--json")
    assert json.loads(done.stdout)["ignored"] == {"symlink": 4}
    assert paths(tmp_path / "out") == ["0000.png"]
