"""The benchmark of everything that is not pixels runs, and the page on scale has its results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import PROC, environment
from tests.support.documents import ROOT, read


@pytest.mark.slow
@pytest.mark.skipif(not PROC, reason="the benchmark needs Linux")
def test_benchmark(tmp_path: Path) -> None:
    """It measures each run and each stage, of the package as it is but for decoding."""
    options = ("--counts", "2048", "--repeats", "1", "--directory", tmp_path)
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/scale.py", *options, "--out", tmp_path / "found.json"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "found.json").read_text())
    (found,) = results["images"]
    assert (found["count"], found["shards"]) == (2048, 2)
    assert 200 < found["index_bytes"] < 300
    again, *new = (found["runs"][name] for name in ("again", "new", "failing"))
    assert again["stages"]["load"] > 1
    assert again["stages"]["commit"] == pytest.approx(0, abs=1)
    for run in new:
        assert run["all"] > run["cpu"]
        assert min(run["stages"][stage] for stage in ("scan", "commit")) > 1
    assert "records, index, commit" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


def test_page_has_the_results() -> None:
    """docs/scale.md has the output of the benchmark; what it computes from that is run there."""
    assert read("benchmarks/results/scale.txt") in read("docs/scale.md")
