"""Sets with many failures, of which the list takes long to write: shards wait for it together."""

import os
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import xxhash

from clip_prep_cli.common.versions import package_versions
from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.samples.records import Failure, Record, Sample
from clip_prep_cli.sets import tensorset
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.sets.shard import Shard
from clip_prep_cli.sets.tensorset import TensorSet, open_set
from clip_prep_cli.sets.throttle import Pace
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import check_whole, read_manifest, tree_digest

SETTINGS = SetSettings((openai(224),), dtype="uint8", shard_size=3)
SHARDS = 6


class Cut(BaseException):
    """The end of a run at this very moment."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The set of which nothing had to wait."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(out)
    return tree_digest(out)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the list of failures never be due, however short it is."""
    monkeypatch.setattr(tensorset, "_FEW_FAILURES", 0)
    monkeypatch.setattr(Pace, "is_due", lambda _: False)


def put(tensors: TensorSet, number: int) -> None:
    """Make and commit a shard of two rows and, but for every third, a failure between them."""
    (layout,) = SETTINGS.layouts
    results: list[Record | Failure] = []
    directory = tensors.directory.here
    assert directory
    shard = Shard(directory, number, SETTINGS.shard_size, SETTINGS.layouts)
    for row in range(SETTINGS.shard_size):
        sample = Sample(0, f"{number}-{row}.png", 1, 1)
        data = bytes([number * 10 + row]) * layout.row_bytes
        shard.write(layout, row, data)
        if row == 1 and number % 3:
            results.append(Failure(sample, "corrupt", "", number))
        else:
            sums = {layout.folder: xxhash.xxh3_64_hexdigest(data)}
            results.append(Record(sample, "0" * 32, "PNG", "RGB", 1, 1, sums))
    try:
        tensors.commit(shard, results)
    finally:
        shard.discard()


def begun(out: Path) -> TensorSet:
    """A set that is about to be gone on with."""
    out.mkdir(exist_ok=True)
    tensors = open_set(LocalStorage(out), SETTINGS)
    tensors.contents.roots.add("/x", "/x")
    tensors.introduce(package_versions())
    tensors.begin()
    return tensors


def run(out: Path) -> None:
    """Make what is missing of a set, as a run does."""
    tensors = begun(out)
    for number in range(tensors.contents.next_number, SHARDS):
        put(tensors, number)
    tensors.flush()
    tensors.conclude(complete=True)


def cut(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the run before its `at`-th file gets its final name."""
    renamed, replace = count(), os.replace

    def or_cut(*arguments: Any) -> None:
        if next(renamed) == at:
            raise Cut
        replace(*arguments)

    monkeypatch.setattr(os, "replace", or_cut)


def renames(out: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run, and return the names in the order in which files get them."""
    names, replace = [], os.replace

    def noted(source: Path, to: Path) -> None:
        names.append(str(to.relative_to(out)))
        replace(source, to)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", noted)
        run(out)
    return names


def test_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While failures are few each shard is committed by itself, the list first if it changed."""
    names = renames(tmp_path / "out", monkeypatch)
    lists = [at for at, name in enumerate(names) if name == "failures.jsonl"]
    assert [names[at + 1] for at in lists[:-1]] == [
        f"index/shard-{number:06}.jsonl" for number in range(SHARDS) if number % 3
    ]


@pytest.mark.usefixtures("never")
def test_one_list_for_all(
    whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards wait while the list is not due; then it comes before all of their indexes."""
    names = renames(tmp_path / "out", monkeypatch)
    indexes = [f"index/shard-{number:06}.jsonl" for number in range(SHARDS)]
    tensors = [f"224px/shard-{number:06}.npy" for number in range(SHARDS)]
    assert (
        [name for name in names if name != "manifest.json"]
        == [
            *(tensors[0], indexes[0]),  # in which nothing failed
            *tensors[1:],
            *("failures.jsonl", *indexes[1:]),
            "failures.jsonl",
        ]
    )
    assert tree_digest(tmp_path / "out") == whole


@pytest.mark.usefixtures("never")
def test_shards_wait_for_those_before_them(tmp_path: Path) -> None:
    """A shard without failures is not committed before one that waits; what waits is no part."""
    tensors = begun(tmp_path / "out")
    for number in range(4):
        put(tensors, number)
    assert list(tensors.contents.shards) == [0]
    assert len(tensors.contents.live) == 3
    tensors.conclude(complete=False)
    (shard,) = read_manifest(tmp_path / "out")["shards"]
    assert shard["name"] == "shard-000000"
    tensors.flush()
    assert list(tensors.contents.shards) == [0, 1, 2, 3]
    assert len(tensors.contents.live) == 10


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("at", range(2 * SHARDS + 3))
def test_cut_anywhere(
    at: int, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a run ends, what is there is whole, and the next run makes the same set of it."""
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        cut(at, patched)
        with pytest.raises(Cut):
            run(out)
    if at:
        check_whole(out)
        contents = open_set(LocalStorage(out)).contents
        assert {failure.shard for failure in contents.failures.values()} <= contents.shards.keys()
    run(out)
    assert tree_digest(out) == whole
