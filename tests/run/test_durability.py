"""What is durable when: the order in which a run writes, syncs, renames and removes.

A machine that loses its power keeps of a file what was synced, and of a directory the names that
it had when it was synced. A step must be durable before the next one that counts on it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import PROC, album, convert
from tests.support.tracing import Operation, Tracing, operations

pytestmark = pytest.mark.skipif(not PROC, reason="finds the names of open files by /proc")

OPTIONS = ("--shard-size", "4", "-j", "2", "-m", "RN50x4")
FOLDERS = ("224px", "288px")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of 13 images, two of which are broken: in the first shard and in the third."""
    directory = album(tmp_path_factory.mktemp("source") / "in", 13)
    for name in ("0000.png", "0009.png"):
        (directory / name).write_bytes(b"")
    return directory


def traced(source: Path, out: Path, *options: str) -> list[Operation]:
    """Run, and return what the run has done to its output."""
    there, hook = {*filter(Path.exists, (out, *out.rglob("*")))}, out.parent.with_name("hook")
    convert(source, out, *OPTIONS, *options, status=3, env=Tracing().env(hook, out.parent))
    log = []
    for each in operations(hook):
        if each.name != "mkdir" or each.path not in there:  # else it changes nothing
            log.append(each)
        there.add(each.path)
    return log


@pytest.fixture(scope="module")
def fresh(source: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Operation]:
    """What a run does that makes a set where nothing was."""
    home = tmp_path_factory.mktemp("fresh") / "home"
    home.mkdir()
    return traced(source, home / "out")


@pytest.fixture(scope="module")
def overwriting(source: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Operation]:
    """What a run does that makes a set in the place of a finished one."""
    home = tmp_path_factory.mktemp("overwriting") / "home"
    convert(source, home / "out", *OPTIONS, status=3)
    return traced(source, home / "out", "--overwrite")


def output(log: list[Operation]) -> Path:
    """The directory that a run has written to."""
    return next(each.to.parent for each in log if each.to and each.to.name == "manifest.json")


def pending(log: list[Operation], name: str) -> Iterator[tuple[Operation, set[Path]]]:
    """Each operation, and the paths on which a `name` was done before it and is not durable."""
    paths: set[Path] = set()
    for each in log:
        yield each, paths
        if each.name == "fsync":
            paths = {path for path in paths if path.parent != each.path}
        elif each.name == name:
            paths = paths | {each.to or each.path}
    yield Operation("", "end", Path(), None, None), paths


def final(path: Path) -> bool:
    """Whether a file of this name counts as part of a set."""
    return path.suffix in {".npy", ".jsonl", ".json"}


@pytest.mark.parametrize("name", ["fresh", "overwriting"])
def test_contents(name: str, request: pytest.FixtureRequest) -> None:
    """What gets its final name is durable: not a byte has changed since it was synced."""
    log: list[Operation] = request.getfixturevalue(name)
    synced: dict[Path, int | None] = {}
    for each in log:
        if each.name == "fsync":
            synced[each.path] = each.checksum
        elif each.name == "rename":
            assert synced.get(each.path) == each.checksum, each
    assert {each.to for each in log if each.name == "rename"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fresh", "overwriting"])
def test_names(name: str, request: pytest.FixtureRequest) -> None:
    """A final name is durable before the next file gets one, and before the run is over."""
    for each, unsafe in pending(request.getfixturevalue(name), "rename"):
        assert each.name not in {"rename", "end"} or not unsafe, each


def test_order(fresh: list[Operation]) -> None:
    """Of each shard first the tensors, then what failed, then the index; the manifest after all."""
    out = output(fresh)
    renamed = [str(each.to.relative_to(out)) for each in fresh if each.to]
    expected = []
    for number in range(4):
        expected += [f"{folder}/shard-00000{number}.npy" for folder in FOLDERS]
        expected += ["failures.jsonl"] if number in {0, 2} else []
        expected += [f"index/shard-00000{number}.jsonl"]
    assert [name for name in renamed if name != "manifest.json"] == [*expected, "failures.jsonl"]
    assert renamed[0] == renamed[-1] == "manifest.json"


@pytest.mark.parametrize("name", ["out", "index", *FOLDERS])
def test_directories(name: str, fresh: list[Operation]) -> None:
    """A new directory is itself durable before a file in it gets its final name."""
    for each, unsafe in pending(fresh, "mkdir"):
        assert not (each.to and each.to.parent.name == name and each.to.parent in unsafe), each


def test_what_was_removed(overwriting: list[Operation]) -> None:
    """A set is durably none before its files go, and they are gone before there is a new one."""
    out = output(overwriting)
    tops = {out / "manifest.json", out / "failures.jsonl"}
    removed = {each.path for each in overwriting if each.name == "remove" and final(each.path)}
    assert len(removed) == len(tops) + 4 * len(("index", *FOLDERS))
    for each, unsafe in pending(overwriting, "remove"):
        assert not (each.path in removed and each.path.parent != out and unsafe & tops), each
        assert each.name != "rename" or not unsafe & removed, each
