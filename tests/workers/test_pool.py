"""The supervised pool: every batch comes back, whatever happens to its workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.sets.layout import Layout
from clip_prep_cli.sets.shard import Shard
from clip_prep_cli.workers.batch import (
    Batch,
    Converted,
    Outcome,
    Recipe,
    Refused,
    RowNotWrittenError,
)
from clip_prep_cli.workers.pool import WorkerPool
from tests.support.command import album, convert, customized, paint

pytestmark = pytest.mark.slow

RECIPE = Recipe((openai(224),), OPENAI, "uint8", "ignore", 10**6)
Answers = dict[tuple[int, ...], list[Outcome] | RowNotWrittenError | CannotContinueError]
LAYOUTS = (Layout(openai(224), "uint8", "npy"),)


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    """A shard of eight rows."""
    shard = Shard(tmp_path, 0, 8, LAYOUTS)
    yield shard
    shard.discard()


@pytest.fixture
def images(tmp_path: Path) -> tuple[str, ...]:
    """Four images."""
    directory = album(tmp_path / "in", 4)
    return tuple(str(directory / name) for name in sorted(os.listdir(directory)))


def drain(pool: WorkerPool) -> Answers:
    """All that comes back, by rows."""
    answers: Answers = {}
    while pool.busy:
        answers |= {batch.rows: outcomes for batch, outcomes in pool.collect()}
    return answers


def test_batches_come_back(shard: Shard, images: tuple[str, ...]) -> None:
    """Every batch comes back with an outcome for each of its rows; there is never too much work."""
    with WorkerPool(2, RECIPE, 60) as pool:
        answers: Answers = {}
        for row in range(8):
            while not pool.has_room():
                answers |= {batch.rows: outcomes for batch, outcomes in pool.collect()}
            pool.submit(Batch(0, (row,), (images[row % 4],), shard.targets()))
        answers |= drain(pool)
        assert not pool.busy
        assert pool.versions["pillow"]
    assert sorted(answers) == [(row,) for row in range(8)]
    digests = []
    for row in range(8):
        outcomes = answers[row,]
        assert isinstance(outcomes, list)
        (outcome,) = outcomes
        assert isinstance(outcome, Converted)
        digests.append(outcome.rows[0])
    assert digests[:4] == digests[4:]
    assert len(set(digests)) == 4


def test_outcomes_are_in_the_order_of_the_rows(
    shard: Shard, images: tuple[str, ...], tmp_path: Path
) -> None:
    """A batch's outcomes are in the order of its rows, those that failed between the others."""
    sources = (images[0], str(tmp_path / "none.png"), images[1])
    with WorkerPool(1, RECIPE, 60) as pool:
        pool.submit(Batch(0, (5, 6, 7), sources, shard.targets()))
        ((rows, outcomes),) = drain(pool).items()
    assert rows == (5, 6, 7)
    assert isinstance(outcomes, list)
    assert [type(outcome) for outcome in outcomes] == [Converted, Refused, Converted]


def test_a_row_that_cannot_be_written(shard: Shard, images: tuple[str, ...]) -> None:
    """If the target is gone the error comes back as itself, not as the image's fault."""
    targets = shard.targets()
    shard.discard()
    with WorkerPool(1, RECIPE, 60) as pool:
        pool.submit(Batch(0, (0,), (images[0],), targets))
        (answer,) = drain(pool).values()
    assert isinstance(answer, RowNotWrittenError)
    assert isinstance(answer.error, FileNotFoundError)


def test_the_pool_ends_its_workers(shard: Shard, images: tuple[str, ...]) -> None:
    """After the `with` no worker is left, whatever it was doing."""
    with WorkerPool(2, RECIPE, 60) as pool:
        for row in range(2):
            pool.submit(Batch(0, (row,), (images[row],), shard.targets()))
        pids = [member._process.pid for member in pool._workers]
        assert len(pids) == 2
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("timeout", [0.5, 60])
def test_stopped_workers(timeout: float, shard: Shard, images: tuple[str, ...]) -> None:
    """A worker that was killed while idle is replaced when there is work again."""
    with WorkerPool(1, RECIPE, timeout) as pool:
        for row in range(3):
            pool.submit(Batch(0, (row,), (images[row],), shard.targets()))
            (outcomes,) = drain(pool).values()
            assert isinstance(outcomes, list)
            assert isinstance(outcomes[0], Converted)
            pid = pool._workers[0]._process.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        ("while it starts", "event == 'open' and arguments[0] == os.devnull"),
        ("when it gets work", "event == 'open' and str(arguments[0]).endswith('.partial')"),
    ],
)
def test_workers_that_cannot_work(moment: str, code: str, tmp_path: Path) -> None:
    """If workers die before any image the run ends and says so, instead of trying for ever."""
    source = album(tmp_path / "in", 0)
    paint(source / "a.png")
    hook = f"""
import multiprocessing, os, sys

def look(event, arguments):
    if {code} and multiprocessing.current_process().daemon:
        os._exit(9)

sys.addaudithook(look)
"""
    env = customized(tmp_path / "hook", hook)
    done = convert(source, tmp_path / "out", status=1, env=env)
    assert "Worker processes die before converting anything (exit status 9)" in done.stderr, moment
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_modules_in_the_current_directory(tmp_path: Path) -> None:
    """What lies in the directory where the command is called is not taken for its own modules."""
    source, trap = album(tmp_path / "in", 2), tmp_path / "trap"
    (trap / "clip_prep_cli").mkdir(parents=True)
    for name in ("numpy.py", "xxhash.py", "clip_prep_cli/__init__.py"):
        (trap / name).write_text("raise SystemExit('the wrong module')")
    script = Path(sys.executable).with_name("clip-prep")
    command: list[str | Path] = [script, "convert", source, "-m", "RN50", "-o", tmp_path / "out"]
    done = subprocess.run(command, cwd=trap, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Converted 2 images")
    assert not done.stderr


def test_a_long_temporary_directory(tmp_path: Path) -> None:
    """A $TMPDIR that is too long for the names of sockets is no obstacle, and stays empty."""
    directory = tmp_path.joinpath(*["a-rather-long-name"] * 6)
    directory.mkdir(parents=True)
    env = {"TMPDIR": str(directory)}
    convert(album(tmp_path / "in", 3), tmp_path / "out", env=env)
    assert not list(directory.iterdir())
