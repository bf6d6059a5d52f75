"""Any `concurrent.futures.Executor` makes shards: the bytes of a local run, whatever gets lost."""

import os
from collections.abc import Callable
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import pytest

from clip_prep_cli import convert
from clip_prep_cli.errors import CannotContinueError, UsageError
from clip_prep_cli.run.convert import Report
from clip_prep_cli.sets.names import LOCK
from clip_prep_cli.workers.cluster import output_check
from clip_prep_cli.workers.cluster.task import Task, convert_shard
from clip_prep_cli.workers.cluster.version_check import Difference, merged, refusal
from tests.support.command import album, customized, read_manifest, tree_digest


class Inline(Executor):
    """Runs tasks where they are submitted; `before` sees each, and may put another in its place."""

    def __init__(self, before: Callable[[Task], Task | None] = lambda _: None) -> None:
        self.tasks: list[Task] = []
        self._before = before

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Run it."""
        (task,) = args
        self.tasks.append(task)
        future: Future[Any] = Future()
        try:
            future.set_result(fn(self._before(task) or task))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of ten images and one that is none."""
    directory = album(tmp_path / "in", 10)
    (directory / "0004a.png").write_bytes(b"\x89PNG")
    return directory


@pytest.fixture
def expected(source: Path, tmp_path: Path) -> dict[str, str]:
    """What a local run makes of them."""
    run(source, tmp_path / "local")
    return tree_digest(tmp_path / "local")


def run(source: Path, out: Path, **options: Any) -> Report:
    """Convert for the smallest tensors, four to a shard."""
    return convert(source, "ViT-B/32", out, dtype="uint8", shard_size=4, **options)


def test_threads(source: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """Each task of an executor of threads has workers of its own, which are gone afterwards."""
    with ThreadPoolExecutor(3) as executor:
        report = run(source, tmp_path / "out", executor=executor)
    assert report.complete
    assert tree_digest(tmp_path / "out") == expected
    assert active_children() == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method: str, source: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """An executor of processes, which go on to live after the run, and end when asked to."""
    with ProcessPoolExecutor(2, get_context(method)) as executor:
        for name in ("out", "again"):
            run(source, tmp_path / name, executor=executor, slots=2)
            assert tree_digest(tmp_path / name) == expected


def test_an_executor_that_breaks(source: Path, tmp_path: Path) -> None:
    """It costs the run, and nothing that was committed."""
    with (
        ProcessPoolExecutor(1, get_context("spawn"), os._exit, (1,)) as executor,
        pytest.raises(CannotContinueError, match=r"failed to make shard \d+ \(BrokenProc"),
    ):
        run(source, tmp_path / "out", executor=executor)
    assert not read_manifest(tmp_path / "out")["complete"]


def test_tasks_that_get_lost(source: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """They are sent again; one that has left its files half done harms nobody."""
    lost: list[int] = []

    def lose(task: Task) -> None:
        if lost.count(task.shard) < 3:
            lost.append(task.shard)
            convert_shard(task)  # made, and never heard of
            raise CancelledError

    run(source, tmp_path / "out", executor=Inline(lose))
    assert sorted(lost) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert tree_digest(tmp_path / "out") == expected


def test_tasks_that_get_lost_for_ever(source: Path, tmp_path: Path) -> None:
    """After four times the run ends; the shards before that one are kept, those after it not."""

    def lose(task: Task) -> None:
        if task.shard == 1:
            raise MemoryError("too little\nfor this")

    executor = Inline(lose)
    with pytest.raises(CannotContinueError, match=r"shard 1 \(MemoryError: too little\)"):
        run(source, tmp_path / "out", executor=executor)
    assert [task.shard for task in executor.tasks].count(1) == 4
    assert sorted(os.listdir(tmp_path / "out/index")) == ["shard-000000.jsonl"]
    assert sorted(os.listdir(tmp_path / "out/224px")) == ["shard-000000.npy"]


def test_a_late_answer(
    source: Path, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was given up, and wakes when the run has ended, changes nothing."""
    monkeypatch.setattr(output_check, "_PATIENCE", 0.0)
    executor = Inline()
    run(source, tmp_path / "out", executor=executor)
    with pytest.raises(CannotContinueError, match="does not see this run's output"):
        convert_shard(executor.tasks[0])
    lock = tmp_path / "out" / LOCK
    lock.write_text("another run")
    with pytest.raises(CannotContinueError, match="does not see this run's output"):
        convert_shard(executor.tasks[0])
    lock.unlink()
    assert tree_digest(tmp_path / "out") == expected


def test_a_worker_that_cannot_read_the_inputs(source: Path, tmp_path: Path) -> None:
    """What can be read here and not there is no failed image; what cannot be read at all is."""

    def elsewhere(task: Task) -> Task:
        return task._replace(sources=tuple(f"{path}.not-mounted" for path in task.sources))

    with pytest.raises(CannotContinueError, match=r"cannot read .*\.png, but this process can"):
        run(source, tmp_path / "out", executor=Inline(elsewhere))
    assert list((tmp_path / "out").rglob("shard-*")) == []

    def remove(task: Task) -> None:
        Path(str(task.sources[0])).unlink(missing_ok=True)

    gone = Inline(remove)
    report = run(source, tmp_path / "out", executor=gone)
    assert {failure.reason for failure in report.failures} == {"unreadable", "not_an_image"}


def test_other_versions(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker compares itself with the run before it does anything."""
    hook = customized(tmp_path / "hook", "import simplejpeg\nsimplejpeg.__version__ = '1.2.3'\n")
    for name, value in hook.items():
        monkeypatch.setenv(name, value)
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as executor,
        pytest.raises(CannotContinueError, match=r"simplejpeg +\S+ +1\.2\.3"),
    ):
        run(source, tmp_path / "out", executor=executor)


def test_no_executor(source: Path, tmp_path: Path) -> None:
    """What is no executor is refused."""
    for options in ({"executor": "ray"}, {"executor": print}, {"slots": 0}):
        with pytest.raises(UsageError):
            run(source, tmp_path / "out", **options)


def test_the_table() -> None:
    """Its columns are in line."""
    rows = [Difference("a", "pillow", "13.0.0", "12"), Difference("worker-b", "x", "1", "2")]
    assert refusal(rows).lines[1:-1] == (
        "  worker            here    there",
        "  a         pillow  13.0.0  12",
        "  worker-b  x       1       2",
    )


def test_workers_of_several_kinds() -> None:
    """What made a set is told of all of them, whatever the order they come in."""
    one, other = {"numpy": "1", "resize_backend": "b"}, {"numpy": "1", "resize_backend": "a"}
    both = {"numpy": "1", "resize_backend": "a + b"}
    assert merged(merged({}, one), other) == merged(merged(other, one), one) == both
