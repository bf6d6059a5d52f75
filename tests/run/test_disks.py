"""Disks that are full, worn out, or not to be written: the reason is named and nothing is torn."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.command import (
    PROC,
    Env,
    album,
    check_whole,
    convert,
    customized,
    hooked,
    paint,
    started,
    tree_digest,
    wait_until,
)
from tests.support.disks import disk, succeeds
from tests.support.tracing import Tracing, was_met

pytestmark = pytest.mark.slow

OPTIONS = ("--shard-size", "4", "-j", "2")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
proc_only = pytest.mark.skipif(not PROC, reason="finds the names of open files by /proc")


class Given(NamedTuple):
    """A directory of images, and what a run without faults makes of it."""

    source: Path
    whole: dict[str, str]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """A directory of 16 images, one of which is broken, and the set of it."""
    source = album(tmp_path_factory.mktemp("given") / "in", 16)
    (source / "0005.png").write_bytes(b"")
    convert(source, source.with_name("out"), *OPTIONS, status=3)
    return Given(source, tree_digest(source.with_name("out")))


def stops(given: Given, out: Path, env: Env | None = None, *more: str) -> str:
    """Run into the fault: what the run says then, and nothing half-written is left."""
    done = convert(given.source, out, *OPTIONS, *more, status=1, env=env)
    assert str(out) in done.stderr
    assert not done.stdout
    assert not list(out.rglob("*.partial"))
    assert not (out / ".clip-prep.lock").exists()
    check_whole(out)
    return done.stderr


def finishes(given: Given, out: Path) -> None:
    """Run without the fault: the set is as if there had been none."""
    convert(given.source, out, *OPTIONS, status=3)
    assert tree_digest(out) == given.whole


_FILL = """
ballast = os.path.dirname(options["watched"]) + "/ballast"
free = os.statvfs(os.path.dirname(ballast))
os.posix_fallocate(os.open(ballast, os.O_CREAT | os.O_WRONLY), 0, free.f_bavail * free.f_frsize)
"""
_NO_INODES = """
try:
    for number in itertools.count():
        os.mkdir(f"{os.path.dirname(options['watched'])}/ballast-{number}")
except OSError:
    pass
"""


@root_only
@proc_only
@pytest.mark.parametrize(
    ("at", "which", "sealed"),
    [
        (1, "pwrite .*lock", 0),
        (1, "open .*manifest.json.*partial", 0),
        (1, "posix_fallocate .*shard-000000", 0),
        (1, "posix_fallocate .*shard-000003", None),
        (1, "open .*index/shard-000000", 0),
        (1, "open .*failures.jsonl.*partial", 1),
        (1, "open .*index/shard-000003", 3),
        (2, "open .*failures.jsonl.*partial", 4),
        (2, "open .*manifest.json.*partial", None),
    ],
)
def test_full_disk(at: int, which: str, sealed: int | None, given: Given, tmp_path: Path) -> None:
    """Whenever a disk gets full the run ends and says so; with room the same command finishes."""
    out, hook = tmp_path / "disk" / "out", tmp_path / "hook"
    with disk(tmp_path / "disk", "size=8m"):
        said = stops(given, out, Tracing(_FILL, at, which).env(hook, out))
        assert was_met(hook)
        assert "No space left in" in said
        assert " bytes free" in said
        assert sealed in {None, len(list(out.glob("index/*")))}
        (tmp_path / "disk" / "ballast").unlink()
        finishes(given, out)


@root_only
@pytest.mark.parametrize(
    ("pages", "sealed", "words"),
    [
        (3, 0, "4,096 bytes free, the next shard needs 606,208 (602,112 short).\n"),
        (500, 3, "the next shard needs 606,208"),
    ],
)
def test_small_disk(pages: int, sealed: int, words: str, given: Given, tmp_path: Path) -> None:
    """If there is no room for the next shard the message has the bytes that are missing."""
    out = tmp_path / "disk" / "out"
    with disk(tmp_path / "disk", f"size={pages * 4096}"):
        said = stops(given, out, None, "--json")
        assert f"No space left in {out}, on the file system at {tmp_path / 'disk'}" in said
        assert words in said
        assert len(list(out.glob("index/*"))) == sealed
        assert succeeds("mount", "-o", "remount,size=8m", tmp_path / "disk")
        finishes(given, out)


@root_only
@proc_only
@pytest.mark.parametrize(
    ("at", "which"),
    [
        (1, "mkdir .*out$"),
        (1, "open .*manifest.json.*partial"),
        (1, "open .*shard-000000.npy"),
        (1, "open .*shard-000003.npy"),
        (1, "mkdir .*index"),
        (1, "open .*index/shard-000002"),
        (1, "open .*failures.jsonl.*partial"),
        (2, "open .*manifest.json.*partial"),
    ],
)
def test_no_inodes(at: int, which: str, given: Given, tmp_path: Path) -> None:
    """A disk that takes no more files is full, although not of bytes, and the run says so."""
    out, hook = tmp_path / "disk" / "out", tmp_path / "hook"
    with disk(tmp_path / "disk", "size=8m,nr_inodes=60"):
        said = stops(given, out, Tracing(_NO_INODES, at, which).env(hook, out))
        assert was_met(hook)
        assert "inodes for" in said
        for ballast in tmp_path.glob("disk/ballast-*"):
            ballast.rmdir()
        finishes(given, out)


def refusal(error: str, at: int, which: str, role: str = "parent") -> Tracing:
    """Let the system refuse an operation from the `at`-th time on."""
    return Tracing(f"raise OSError({error}, os.strerror({error}))", at, which, role, lasting=True)


@proc_only
@pytest.mark.parametrize(
    "fault",
    [
        refusal("EDQUOT", 1, "pwrite .*lock"),
        refusal("EDQUOT", 1, "fallocate"),
        refusal("EDQUOT", 3, "fallocate"),
        refusal("EDQUOT", 2, "pwrite .*npy"),
        refusal("EDQUOT", 2, "pwrite .*npy", "worker"),
        refusal("EDQUOT", 2, "open .*jsonl.*partial"),
        refusal("ENOSPC", 2, "rename .*jsonl"),
        refusal("ENOSPC", 1, "fsync .*manifest"),
        refusal("EIO", 1, "mkdir .*px"),
        refusal("EIO", 2, "truncate .*npy"),
        refusal("EIO", 2, "fsync .*npy"),
        refusal("EIO", 2, "rename .*npy"),
        refusal("EIO", 2, "fsync .*px$"),
        refusal("EIO", 3, "fsync .*index$"),
        refusal("EIO", 2, "rename .*manifest"),
        refusal("EIO", 2, "open .*npy", "worker"),
        refusal("EIO", 4, "pwrite .*npy", "worker"),
    ],
    ids=lambda fault: " ".join([fault.code[14:20], str(fault.at), fault.which, fault.role]),
)
def test_refusals(fault: Tracing, given: Given, tmp_path: Path) -> None:
    """Whatever the system refuses and when, the run names it; later the same command continues."""
    out, hook = tmp_path / "out", tmp_path / "hook"
    said = stops(given, out, fault.env(hook, out))
    assert was_met(hook)
    assert any(words in said for words in ("No space left", "Disk quota", "Input/output error"))
    assert "(0 short)" not in said
    finishes(given, out)


@proc_only
@pytest.mark.parametrize("at", range(2, 66, 7))
def test_read_only_suddenly(at: int, given: Given, tmp_path: Path) -> None:
    """Of a file system that refuses every change from one moment on, the run says so."""
    out, hook = tmp_path / "out", tmp_path / "hook"
    changes = "open .*(partial|lock)|mkdir|remove|rename|truncate|fallocate|pwrite|fsync"
    env = refusal("EROFS", at, changes).env(hook, out)
    said = convert(given.source, out, *OPTIONS, status=1, env=env).stderr
    assert was_met(hook)
    assert str(out) in said
    assert "Read-only file system" in said
    check_whole(out)
    finishes(given, out)


@root_only
def test_read_only_disk(given: Given, tmp_path: Path) -> None:
    """On a read-only file system no run begins, whether there is a set or not."""
    mount, out = tmp_path / "disk", tmp_path / "disk" / "out"
    with disk(mount, "size=8m"):
        for _ in ("nothing there", "a finished set"):
            assert succeeds("mount", "-o", "remount,ro", mount)
            before = tree_digest(mount)
            assert "Read-only file system" in stops(given, out)
            assert tree_digest(mount) == before
            assert succeeds("mount", "-o", "remount,rw", mount)
            convert(given.source, out, *OPTIONS, status=3)


@root_only
def test_a_disk_that_fails(tmp_path: Path) -> None:
    """When a real disk gives up in the middle the run says so, and what was sealed stays."""
    source, image, mount = album(tmp_path / "in", 9), tmp_path / "image", tmp_path / "disk"
    (source / "0006").mkdir()
    paint(source / "0006" / "gate.png", 9)
    convert(source, tmp_path / "plain", *OPTIONS)
    out, hook = mount / "out", tmp_path / "hook"
    mount.mkdir()
    image.touch()
    os.truncate(image, 8 << 20)
    if not succeeds("mkfs.ext4", "-q", image) or not succeeds("mount", "-o", "loop", image, mount):
        pytest.skip("ext4 cannot be made or mounted here")
    try:
        with started(tmp_path / "log", source, out, *OPTIONS, env=hooked(hook)) as run:
            wait_until(lambda: any(out.glob("index/*.jsonl")))
            assert succeeds("mount", "-o", "remount,abort", mount)
            (hook / "gate").touch()
            run.ends_with(1)
            assert run.has_said("Read-only file system")
            assert run.has_said(str(out))
    finally:
        assert succeeds("umount", mount)
    assert succeeds("mount", "-o", "loop", image, mount)
    try:
        check_whole(out)
        assert any(out.glob("index/*.jsonl"))
        convert(source, out, *OPTIONS)
        assert tree_digest(out) == tree_digest(tmp_path / "plain")
    finally:
        assert succeeds("umount", mount)


@pytest.mark.parametrize("limit", [0, 50, 500])
def test_file_size_limit(limit: int, given: Given, tmp_path: Path) -> None:
    """A limit that forbids even the small files is named; without it the same command continues."""
    out = tmp_path / "out"
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    said = stops(given, out, customized(tmp_path / "limit", code))
    assert "ulimit -f" in said
    assert "of 0 bytes" not in said
    finishes(given, out)
