"""Measure a run that finds nothing new: microseconds and bytes per unchanged file.

    python benchmarks/resume.py [FILES]

makes a tree of empty files and a set that contains them all (with sparse files as tensors), and
compares `clip-prep convert` with only listing the same files with `os.walk` and `os.stat`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.samples.records import Record, Sample
from clip_prep_cli.sets.layout import FileSum
from clip_prep_cli.sets.manifest import Counts, Manifest, ShardEntry, now
from clip_prep_cli.sets.names import index_file
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.storage.local import LocalStorage

FILES = 100_000
PER_FOLDER = 1000
REPEATS = 5
_RUN = """
import sys
from clip_prep_cli.cli.main import cli
try:
    cli()
finally:
    print(*(line for line in open("/proc/self/status") if "VmHWM" in line), file=sys.stderr)
"""


def make_tree(directory: Path, count: int) -> list[Sample]:
    """Make empty files, `PER_FOLDER` in each folder."""
    samples = []
    for number in range(count):
        path = f"folder-{number // PER_FOLDER:05}/some-photograph-{number:08}.jpg"
        if number % PER_FOLDER == 0:
            (directory / path).parent.mkdir(parents=True)
        (directory / path).touch()
        samples.append(Sample(0, path, 0, (directory / path).stat().st_mtime_ns))
    return samples


def make_set(directory: Path, root: Path, samples: list[Sample]) -> None:
    """Make a set that contains all of them."""
    settings = SetSettings((openai(224),), dtype="uint8")
    (layout,) = settings.layouts
    (directory / layout.folder).mkdir(parents=True)
    (directory / "index").mkdir()
    shards = []
    for number, first in enumerate(range(0, len(samples), settings.shard_size)):
        part = samples[first : first + settings.shard_size]
        records = [
            Record(s, "0" * 32, "JPEG", "RGB", 1, 1, {layout.folder: "0" * 16}) for s in part
        ]
        index = "".join(f"{r.to_json(row)}\n" for row, r in enumerate(records)).encode()
        (directory / index_file(number)).write_bytes(index)
        (directory / layout.file(number)).touch()
        os.truncate(directory / layout.file(number), layout.file_bytes(len(part)))
        files = {
            layout.file(number): FileSum(layout.file_bytes(len(part)), "0" * 32),
            index_file(number): FileSum.of(index),
        }
        shards.append(ShardEntry(number, len(part), files))
    manifest = Manifest(
        settings=settings,
        created=now(),
        updated=now(),
        complete=True,
        generator={},
        history=(),
        roots=(str(root),),
        counts=Counts(samples=len(samples)),
        shards=shards,
        retry_from=None,
        failures=None,
    )
    manifest.write(LocalStorage(directory))


def listing(root: Path) -> None:
    """Do the minimum that can show that nothing has changed."""
    for folder, _, names in os.walk(root):
        for name in names:
            os.stat(os.path.join(folder, name))


def best_seconds(call: Callable[[], object]) -> float:
    """The shortest of several runs."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def convert(root: Path, out: Path) -> int:
    """Run the command, and return its peak memory in bytes."""
    arguments = ("convert", str(root), "-m", "ViT-B/32", "--dtype", "uint8", "-o", str(out))
    command = [sys.executable, "-c", _RUN, *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if json.loads(done.stdout)["converted"]:
        raise RuntimeError(done.stdout)
    return int(done.stderr.split()[-2]) * 1024


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else FILES
    with tempfile.TemporaryDirectory() as directory:
        small, large = Path(directory, "small"), Path(directory, "large")
        for base, size in ((small, 1), (large, count)):
            samples = make_tree(base / "in", size)
            make_set(base / "out", base / "in", samples)
        floor = best_seconds(lambda: listing(large / "in"))
        empty = best_seconds(lambda: convert(small / "in", small / "out"))
        full = best_seconds(lambda: convert(large / "in", large / "out"))
        memory = convert(large / "in", large / "out") - convert(small / "in", small / "out")
    click.echo(f"{count:,} unchanged files, best of {REPEATS}")
    click.echo(f"only os.walk and os.stat   {floor / count * 1e6:6.1f} us per file")
    click.echo(f"clip-prep convert          {full / count * 1e6:6.1f} us per file, with start-up")
    click.echo(f"  excluding start-up       {(full - empty) / count * 1e6:6.1f} us per file")
    click.echo(f"  relative to listing      {(full - empty) / floor:6.1f} x")
    click.echo(f"  memory                   {memory / count:6.0f} bytes per file")


if __name__ == "__main__":
    main()
