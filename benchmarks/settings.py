"""Measure what the settings cost: images per second and CPU time of whole runs.

    python benchmarks/settings.py FOLDER [--repeats 3]

The settings run in turn, so that a machine that slows down slows all of them; the medians are
shown. Between runs, the output is removed and the disk is synced. Needs Linux.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click

SETTINGS = (
    "-m ViT-B/32",
    "-m ViT-B/32 -j 1",
    "-m ViT-B/32 -j 4",
    "-m ViT-B/32 --dtype float16",
    "-m ViT-B/32 --dtype uint8",
    "-m ViT-B/32 --format pt",
    "-m ViT-B/32 --shard-size 64",
    "-m ViT-L/14@336px",
    "-m RN50x64",
    "-m all",
)


def cost(folder: str, options: str, scratch: str) -> dict[str, float]:
    """The cost of a run, including start-up and workers; see measure.py."""
    out = os.path.join(scratch, "out")
    command = [sys.executable, "-m", "clip_prep_cli", "convert", folder, "-o", out, "--quiet"]
    measure = [sys.executable, str(Path(__file__).with_name("measure.py"))]
    done = subprocess.run(
        [*measure, *command, *options.split()], stderr=subprocess.PIPE, text=True, check=True
    )
    shutil.rmtree(out)
    os.sync()
    found: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    return found


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("--repeats", default=3, show_default=True)
def main(folder: str, repeats: int) -> None:
    """Measure the settings on FOLDER, which contains only valid images."""
    count = sum(len(names) for _, _, names in os.walk(folder))
    costs: dict[str, list[dict[str, float]]] = {options: [] for options in SETTINGS}
    with tempfile.TemporaryDirectory(dir=".", prefix="benchmark-") as scratch:
        cost(folder, SETTINGS[0], scratch)  # fills the page cache
        for _ in range(repeats):
            for options, found in costs.items():
                found.append(cost(folder, options, scratch))
    click.echo("| options | images/s | CPU ms per image |\n| --- | --- | --- |")
    for options, found in costs.items():
        wall, cpu = (statistics.median(one[what] for one in found) for what in ("wall", "cpu"))
        click.echo(f"| `{options}` | {count / wall:,.0f} | {1000 * cpu / count:.2f} |")


if __name__ == "__main__":
    main()
