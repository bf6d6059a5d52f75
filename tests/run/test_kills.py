"""Kill a run at any moment, run the same command again: the set is as if nothing had happened."""

import random
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import NamedTuple

import pytest

from tests.support.command import (
    PROC,
    SECONDS,
    album,
    check_whole,
    convert,
    paint,
    started,
    tree_digest,
)
from tests.support.tracing import Tracing, operations, was_met

pytestmark = [
    pytest.mark.skipif(not PROC, reason="finds the names of open files by /proc"),
    pytest.mark.slow,
]

OPTIONS = ("--shard-size", "4", "-j", "2")
ITSELF, PARENT, GROUP = "os.getpid()", "os.getpgrp()", "-os.getpgrp()"
ENDS = {SIGKILL: {-SIGKILL, 3}, SIGTERM: {143, 3}, SIGINT: {130, 3}}
"""The exit status after a signal; 3, of a run to the end, if it came late or hit a worker."""


COMMIT = {"fsync", "remove", "rename", "truncate"}
"""The operations that make a shard or a list final, or end one that was."""


class Scene(NamedTuple):
    """A folder, the set that is there before (or none), how to run, and what comes of it."""

    source: Path
    before: Path | None
    options: tuple[str, ...]
    expected: dict[str, str]
    moments: dict[str, list[int]]
    """When to strike: at so many operations of an undisturbed run."""


class Kill(NamedTuple):
    """A signal at the `at`-th operation of a process of a role."""

    role: str
    at: int
    victim: str
    number: Signals

    def __str__(self) -> str:
        return f"{self.number.name} to {self.victim} at operation {self.at} of a {self.role}"

    def tracing(self) -> Tracing:
        """What makes it happen."""
        return Tracing(f"os.kill({self.victim}, {self.number})", self.at, role=self.role)


class Kills(NamedTuple):
    """So many kills of one kind, at moments that are drawn."""

    moments: str
    victim: str
    number: Signals
    times: int

    def draw(self, at: Scene, seed: int) -> list[Kill]:
        """Draw them from what happens in a scene."""
        moments = random.Random(seed).sample(at.moments[self.moments], self.times)  # noqa: S311
        role = "worker" if self.moments == "worker" else "parent"
        return [Kill(role, moment, self.victim, self.number) for moment in moments]


def nested(directory: Path) -> Path:
    """Make a directory of 24 images in three folders, one of which is broken."""
    for number, name in enumerate(("a", "a/b", "c")):
        folder = album(directory / name / "images", 8)
        paint(folder / "0003.png", 10 + number)
    (directory / "a/b/images/0005.png").write_bytes(b"\x89PNG")
    return directory


def scene(home: Path, source: Path, before: Path | None, *options: str) -> Scene:
    """See what an undisturbed run does."""
    out = home / "out"
    if before:
        shutil.copytree(before, out)
    with started(home / "log", source, out, *options, env=Tracing().env(home / "hook", out)) as run:
        run.ends_with(3)
    log = operations(home / "hook")
    mine = [each for each in log if each.role == "parent"]
    moments = {
        "any": [*range(1, len(mine) + 1)],
        "commit": [at for at, each in enumerate(mine, 1) if each.name in COMMIT],
        # Two share the work: what even the lazier one does in any case.
        "worker": [*range(1, (len(log) - len(mine)) // 4)],
    }
    return Scene(source, before, options, tree_digest(out), moments)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A set where nothing was."""
    home = tmp_path_factory.mktemp("fresh")
    return scene(home, nested(home / "in"), None, *OPTIONS)


@pytest.fixture(scope="module")
def overwriting(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A set that takes the place of one of other settings, and with more shards."""
    home = tmp_path_factory.mktemp("overwriting")
    convert(nested(home / "in"), home / "before", "--shard-size", "3", "--dtype=float16", status=3)
    return scene(home, home / "in", home / "before", *OPTIONS, "--overwrite")


@pytest.fixture(scope="module")
def increment(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A finished set to which new and changed images come; some were broken, or are now."""
    home = tmp_path_factory.mktemp("increment")
    folder = nested(home / "in") / "a/images"
    (folder / "0006.png").write_bytes(b"")
    convert(home / "in", home / "before", *OPTIONS, status=3)
    for seed, name in enumerate(("0001", "0006", "0010", "0011", "0012", "0013", "0014")):
        paint(folder / f"{name}.png", 100 + seed)
    (folder / "0002.png").write_bytes(b"\x89PNG")
    return scene(home, home / "in", home / "before", *OPTIONS)


@pytest.fixture(scope="module")
def retrying(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A finished set, half of which had failed; most of that can be converted now."""
    home = tmp_path_factory.mktemp("retrying")
    folder = nested(home / "in") / "a"
    for seed, path in enumerate(sorted(folder.rglob("000[0246].png"))):
        paint(path, 200 + seed, (60, 40))
    convert(home / "in", home / "before", *OPTIONS, "--max-pixels", "1000", status=3)
    return scene(home, home / "in", home / "before", *OPTIONS, "--retry-failed")


def survives(at: Scene, home: Path, kills: Sequence[Kill]) -> None:
    """Kill run after run, then let one through: the set must be the one that is expected."""
    out = home / "out"
    home.mkdir()
    if at.before:
        shutil.copytree(at.before, out)
    with ExitStack() as stack:  # what has outlived its run is still there when the next one comes
        for number, kill in enumerate(kills):
            log, hook = home / f"log-{number}", home / f"hook-{number}"
            env = kill.tracing().env(hook, out)
            run = stack.enter_context(started(log, at.source, out, *at.options, env=env))
            ended, said = run.process.wait(SECONDS), log.read_text()
            assert ended in ENDS[kill.number], f"exit status {ended}: {said}"
            assert "Traceback" not in said, said
            assert number or was_met(hook)  # a later run may have less to do
            check_whole(out)
        convert(at.source, out, *at.options, status=3, env={})  # this is a thread
    others = {name for name, _ in tree_digest(out).items() ^ at.expected.items()}
    assert not others, f"not as expected: {others}"


def all_survive(at: Scene, home: Path, plans: Iterable[Sequence[Kill]]) -> None:
    """Try every plan, two at a time, and tell which of them go wrong."""

    def problem(entry: tuple[int, Sequence[Kill]]) -> str:
        number, kills = entry
        try:
            survives(at, home / str(number), kills)
        except Exception as error:
            return f"{', then '.join(map(str, kills))}: {error!r}"
        return ""

    with ThreadPoolExecutor(2) as pool:
        if problems := [*filter(None, pool.map(problem, enumerate(plans)))]:
            pytest.fail("\n".join(problems))


@pytest.mark.parametrize(
    "kills",
    [
        Kills("any", PARENT, SIGKILL, 8),
        Kills("commit", PARENT, SIGKILL, 8),
        Kills("any", GROUP, SIGKILL, 5),
        Kills("commit", GROUP, SIGKILL, 5),
        Kills("worker", ITSELF, SIGKILL, 3),
        Kills("worker", PARENT, SIGKILL, 3),
        Kills("worker", GROUP, SIGKILL, 3),
        Kills("commit", PARENT, SIGTERM, 3),
        Kills("any", GROUP, SIGTERM, 3),
        Kills("any", GROUP, SIGINT, 3),
    ],
    ids=lambda kills: f"{kills.moments}-{kills.victim}-{kills.number.name}",
)
def test_killed(kills: Kills, fresh: Scene, tmp_path: Path) -> None:
    """Whatever is killed, when and how: what is left is whole, and the next run finishes it."""
    all_survive(fresh, tmp_path, zip(kills.draw(fresh, kills.times), strict=True))


def test_killed_twice(fresh: Scene, tmp_path: Path) -> None:
    """A run that goes on after a kill can be killed as well."""
    first = Kills("any", PARENT, SIGKILL, 6).draw(fresh, 1)
    second = Kills("any", GROUP, SIGKILL, 6).draw(fresh, 2)
    all_survive(fresh, tmp_path, zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["overwriting", "increment", "retrying"])
def test_killed_over_a_set(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """What happens to a finished set is no different: the old one, or the new one, or none."""
    at = request.getfixturevalue(name)
    first = Kills("any", PARENT, SIGKILL, 5).draw(at, 3)
    second = Kills("commit", GROUP, SIGKILL, 5).draw(at, 4)
    all_survive(at, tmp_path, zip(first + second, strict=True))
