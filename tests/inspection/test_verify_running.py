"""Looking at a set that a run is writing to: nothing is disturbed, and nothing accused."""

from pathlib import Path

import pytest

from tests.support.command import (
    album,
    clip_prep,
    convert,
    hooked,
    paint,
    paths,
    started,
    tree_digest,
    wait_until,
)
from tests.support.sets import faults

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("images", [0, 9], ids=["first run", "later run"])
def test_while_a_run_writes(images: int, tmp_path: Path) -> None:
    """A set that is being written is no faulty set, and looking at it does not disturb the run."""
    source, out = album(tmp_path / "in", images), tmp_path / "out"
    if images:
        convert(source, out, "--shard-size", "5")
    paint(source / "gate.png", 100)
    env = hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, "--shard-size", "5", env=env) as run:
        wait_until(lambda: any(out.glob("224px/*.partial")) and any(out.glob("manifest.json")))
        before = tree_digest(out)
        done = clip_prep("verify", out)
        assert done.stdout.startswith("Intact: ")
        assert "did not finish" in done.stdout
        assert tree_digest(out) == before
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(0)
    assert not faults(out)
    assert paths(out)[-1] == "gate.png"


def test_while_shards_are_committed(tmp_path: Path) -> None:
    """Whenever one looks at a set that a run adds shards to, there is nothing wrong with it."""
    source, out = album(tmp_path / "in", 2), tmp_path / "out"
    convert(source, out, "--shard-size", "1")
    for number in range(2, 60):
        paint(source / f"{number:04}.png", number)
    found: set[str] = set()
    with started(tmp_path / "log", source, out, "--shard-size", "1") as run:
        while run.process.poll() is None:
            found.update(fault.problem for fault in faults(out))
        run.ends_with(0)
    assert not found
