"""Measure the cost per image of everything but pixels, from ten thousand images to a million.

    python benchmarks/scale.py [--counts 10000,100000,1000000] [--out FILE.json]

runs `clip-prep convert` with a stub instead of the decoder, and rows of 8 x 8 pixels (see stub/).
Everything else is real: the walk, the plan, the worker processes, the records, indexes, manifest,
failures and syncs. A million images take minutes and 6 GB. Needs Linux.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import click
from resume import PER_FOLDER, listing

from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.sets.layout import FileSum
from clip_prep_cli.sets.manifest import Counts, Manifest, ShardEntry, now
from clip_prep_cli.sets.names import index_file
from clip_prep_cli.sets.settings import SetSettings

HERE = Path(__file__).parent
FILE_BYTES = 150
QUICK = 100_000
"""Images in total: smaller counts are repeated up to this, and the cheapest run is kept."""
RUNS = {
    "new": "a new set",
    "again": "second run, nothing new",
    "listed": "second run, --files-from",
    "failing": "a new set, 1 % fail",
}
STAGES = {
    "load": "read the set",
    "scan": "walk, compare, plan",
    "commit": "records, index, commit",
    "failures": "failures.jsonl",
    "manifest": "manifest.json",
    "rest": "batches, pipes, results",
}
_OPEN = """
import json, resource, sys, time
from clip_prep_cli import TensorDataset
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, began = peak(), time.process_time()
dataset = TensorDataset(sys.argv[1])
print(json.dumps({"cpu": time.process_time() - began, "peak": peak() - before}))
"""


def make_tree(directory: Path, count: int) -> None:
    """Make files with distinct contents; every hundredth begins with `00`."""
    for number in range(count):
        path = f"{directory}/folder-{number // PER_FOLDER:05}/some-photograph-{number:08}.jpg"
        if number % PER_FOLDER == 0:
            os.makedirs(os.path.dirname(path))
        with open(path, "wb", buffering=0) as file:
            file.write(f"{number % 100:02} {number:012}".ljust(FILE_BYTES).encode())


def environment(*, failures: bool = False) -> dict[str, str]:
    """The environment of a process that uses the stub."""
    path = [str(HERE / "stub"), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    stub = {"PYTHONPATH": os.pathsep.join(filter(None, path))}
    return {**os.environ, **stub, **({"SCALE_FAILURES": "1"} if failures else {})}


def convert(out: Path, *inputs: str, failures: bool = False) -> dict[str, Any]:
    """The cost of a run: in total (see measure.py), and in the process that commits."""
    cost = out.with_name("cost.json")
    options = ("-m", "ViT-B/32", "--dtype", "uint8", "-q", "--max-failures", "100%")
    command = [sys.executable, str(HERE / "measure.py"), sys.executable, str(HERE / "scale_run.py")]
    done = subprocess.run(
        [*command, str(cost), "convert", *inputs, *options, "-o", str(out)],
        env=environment(failures=failures),
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    whole = json.loads(done.stderr.splitlines()[-1])
    return {"wall": whole["wall"], "all": whole["cpu"], **json.loads(cost.read_text())}


def runs(directory: Path) -> dict[str, dict[str, Any]]:
    """The cost of each run on the tree `in`, by name; keeps the last set."""
    tree, out, names = directory / "in", directory / "out", directory / "names"
    with open(names, "w", encoding="utf-8") as lines:
        for folder, _, files in os.walk(tree):
            lines.writelines(f"{folder}/{name}\n" for name in files)
    found = {"failing": convert(out, str(tree), failures=True)}
    shutil.rmtree(out)
    found["new"] = convert(out, str(tree))
    found["again"] = convert(out, str(tree))
    found["listed"] = convert(out, "--files-from", str(names))
    return found


def measure(directory: Path, count: int, repeats: int) -> dict[str, Any]:
    """The costs of each run on `count` images, in seconds and bytes."""
    make_tree(directory / "in", count)
    turns = [runs(directory)]
    while count * len(turns) < QUICK and len(turns) < repeats:
        shutil.rmtree(directory / "out")
        turns.append(runs(directory))
    best = {name: min((turn[name] for turn in turns), key=itemgetter("cpu")) for name in RUNS}
    found: dict[str, Any] = {"count": count, "runs": best}
    began = time.process_time()
    listing(directory / "in")
    found["listing"] = time.process_time() - began
    indexes = sorted((directory / "out" / "index").iterdir())
    found["shards"] = len(indexes)
    found["index_bytes"] = sum(path.stat().st_size for path in indexes)
    opened = subprocess.run(
        [sys.executable, "-c", _OPEN, str(directory / "out")],
        env=environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    found["open"] = json.loads(opened.stdout)
    shutil.rmtree(directory)
    return found


def per_image(found: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """The costs per image, in microseconds and bytes, excluding start-up."""
    count, costs = found["count"], {}
    for name, run in found["runs"].items():
        none = start["runs"][name]
        cost = {key: 1e6 * (run[key] - none[key]) / count for key in ("wall", "all", "cpu")}
        stages = {
            key: 1e6 * (run["stages"].get(key, 0.0) - none["stages"].get(key, 0.0)) / count
            for key in STAGES
            if key != "rest"
        }
        stages["rest"] = cost["cpu"] - sum(stages.values())
        costs[name] = {**cost, "stages": stages, "memory": (run["peak"] - none["peak"]) / count}
    return {
        "count": count,
        "shards": found["shards"],
        "listing": 1e6 * found["listing"] / count,
        "index_bytes": found["index_bytes"] / count,
        "open": {
            "cpu": 1e6 * found["open"]["cpu"] / count,
            "memory": found["open"]["peak"] / count,
        },
        "runs": costs,
    }


def manifest_costs(count: int) -> dict[str, float]:
    """The cost per shard of a manifest of `count` shards: bytes, microseconds to write and read."""
    settings = SetSettings((openai(224),), dtype="uint8")
    (layout,) = settings.layouts
    size, digest = layout.file_bytes(settings.shard_size), "0123456789abcdef" * 2
    shards = [
        ShardEntry(
            number,
            settings.shard_size,
            {layout.file(number): FileSum(size, digest), index_file(number): FileSum(1, digest)},
        )
        for number in range(count)
    ]
    manifest = Manifest(
        settings=settings,
        created=now(),
        updated=now(),
        complete=True,
        generator={},
        history=(),
        roots=("/images",),
        counts=Counts(samples=count * settings.shard_size),
        shards=shards,
        retry_from=None,
        failures=None,
    )
    began = time.process_time()
    content = manifest.to_bytes()
    made = time.process_time()
    Manifest.from_bytes(content)
    read = time.process_time()
    return {
        "shards": count,
        "bytes": len(content) / count,
        "write": 1e6 * (made - began) / count,
        "read": 1e6 * (read - made) / count,
    }


def lines(results: dict[str, Any]) -> Iterator[str]:
    """The results as text."""
    found = results["images"]
    yield f"{results['machine']}, load average {results['load']:.1f} at the end"
    yield "CPU microseconds per image, excluding process start-up"
    yield f"{'images':32}" + "".join(f"{one['count']:>12,}" for one in found) + "   last / first"
    yield row("only os.walk and os.stat", [one["listing"] for one in found])
    for name, title in RUNS.items():
        costs = [one["runs"][name] for one in found]
        yield title
        for stage, label in STAGES.items():
            each = [cost["stages"][stage] for cost in costs]
            if max(each) >= 0.05:
                yield row(f"    {label}", each)
        yield row("  main process, total", [cost["cpu"] for cost in costs])
        yield row("  including workers", [cost["all"] for cost in costs])
        yield row("  wall-clock time", [cost["wall"] for cost in costs])
        yield row("  memory, bytes per image", [cost["memory"] for cost in costs])
    yield "reading with TensorDataset"
    yield row("  opening", [one["open"]["cpu"] for one in found])
    yield row("  memory, bytes per image", [one["open"]["memory"] for one in found])
    yield row("index, bytes per image", [one["index_bytes"] for one in found])
    manifest = results["manifest"]
    yield (
        f"manifest of {manifest['shards']:,} shards: {manifest['bytes']:.0f} bytes per shard, "
        f"{manifest['write']:.1f} us to write, {manifest['read']:.1f} us to read"
    )


def row(label: str, values: list[float]) -> str:
    """A line of the table."""
    ratio = f"{values[-1] / values[0]:15.2f}" if values[0] >= 0.05 else f"{'-':>15}"
    return f"{label:32}" + "".join(f"{value:12.1f}" for value in values) + ratio


@click.command()
@click.option("--counts", default="10000,100000,1000000", show_default=True)
@click.option("--directory", default=".", type=click.Path(exists=True, file_okay=False))
@click.option("--repeats", default=5, show_default=True, help="Repeats of quick runs.")
@click.option("--out", type=click.Path(dir_okay=False), help="Write JSON too, for billion.py.")
def main(counts: str, directory: str, repeats: int, out: str | None) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="benchmark-") as scratch:
        start = measure(Path(scratch, "start"), 1, repeats)
        images = [
            per_image(measure(Path(scratch, count), int(count), repeats), start)
            for count in counts.split(",")
        ]
    with open("/proc/cpuinfo", encoding="utf-8") as cpus:
        cpu = next(line for line in cpus if line.startswith("model name")).split(":")[1].strip()
    results = {
        "machine": f"{os.cpu_count()} CPUs ({cpu}), Python {platform.python_version()}",
        "load": os.getloadavg()[0],
        "images": images,
        "manifest": manifest_costs(images[-1]["count"] // 10),
    }
    click.echo("\n".join(lines(results)))
    if out:
        Path(out).write_text(json.dumps(results, indent=1) + "\n", "ascii")


if __name__ == "__main__":
    main()
