"""Estimate what a billion images would take (hours, bytes, memory), or your own number.

    python benchmarks/billion.py [--images 1e9] [--set-images 2e7] [--machines 10] [--cores 32] ...

multiplies the measurements of compare.py and scale.py; it runs nothing.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from clip_prep_cli.pixels.dtypes import ITEM_DTYPE
from clip_prep_cli.pixels.models import MODELS
from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.sets.layout import Layout

RESULTS = Path(__file__).with_name("results")
SHARD = 1024
SIZES = sorted({transform.side for transform in MODELS.values()})


class Work(NamedTuple):
    """The images, how they are split into sets, and the machines."""

    images: float
    set_images: float
    machines: int
    cores: int
    kilobytes: float
    n_px: int
    dtype: str


class Figures(NamedTuple):
    """The measurements. Times are CPU time per image, unless they are per shard."""

    worker_ms: float
    new_us: float
    """In the one process that plans and commits."""
    tasks_us: float
    """The same, without batches, pipes and results."""
    again_us: float
    memory: float
    """In bytes, like the next two."""
    index_bytes: float
    manifest: float
    """Per shard."""
    manifest_us: float
    """Per shard, to write it."""
    open_us: float
    open_memory: float


class Line(NamedTuple):
    """A quantity, how it is computed, and its value for all images and for one set."""

    what: str
    how: str
    whole: str
    one: str = ""


def figures() -> Figures:
    """The measurements in results/; those of scale.py for the largest count."""
    speed = json.loads((RESULTS / "results.json").read_text("utf-8"))
    scale = json.loads((RESULTS / "scale.json").read_text("utf-8"))
    most: dict[str, Any] = scale["images"][-1]
    new, again, manifest = most["runs"]["new"], most["runs"]["again"], scale["manifest"]
    return Figures(
        worker_ms=speed["subjects"]["clip-prep, 2 workers"]["cpu_ms_per_image"],
        new_us=new["cpu"],
        tasks_us=new["cpu"] - new["stages"]["rest"],
        again_us=again["cpu"],
        memory=max(new["memory"], again["memory"]),
        index_bytes=most["index_bytes"],
        manifest=manifest["bytes"],
        manifest_us=manifest["write"],
        open_us=most["open"]["cpu"],
        open_memory=most["open"]["memory"],
    )


def lines(work: Work, of: Figures) -> Iterator[Line]:
    """The lines of the estimate."""
    n, part = work.images, min(work.set_images, work.images)
    row = Layout(openai(work.n_px), work.dtype, "npy").row_bytes
    shards, part_shards = math.ceil(n / SHARD), math.ceil(part / SHARD)
    rate = work.cores * 1e3 / of.worker_ms

    def in_bytes(what: str, each: float, how: str) -> Line:
        return Line(what, how, size(n * each), size(part * each))

    def in_time(what: str, microseconds: float, how: str) -> Line:
        each = microseconds / 1e6
        return Line(what, how, duration(n * each), duration(part * each))

    yield Line("sets", "images / images per set", f"{math.ceil(n / part):,}", "1")
    yield in_time("CPU time", 1e3 * of.worker_ms, f"{of.worker_ms:.2f} ms per image")
    how = f"on {work.machines} x {work.cores} cores; one set on {work.cores}"
    yield Line("wall-clock time", how, duration(n / rate / work.machines), duration(part / rate))
    kilobytes = work.kilobytes
    yield in_bytes("bytes to read", 1e3 * kilobytes, f"{kilobytes:.0f} kB per image")
    yield in_bytes("bytes of rows", row, f"{row:,} per image ({work.n_px} px, {work.dtype})")
    how = f"per machine, at {rate:,.0f} images/s"
    yield Line("reading", how, "", f"{size(1e3 * kilobytes * rate)}/s")
    yield Line("writing", how, "", f"{size(row * rate)}/s")
    yield Line("files", f"2 per shard of {SHARD:,}", f"{2 * shards:,}", f"{2 * part_shards:,}")
    yield in_bytes("indexes", of.index_bytes, f"{of.index_bytes:.0f} bytes per image")
    how = f"{of.manifest:.0f} bytes per shard"
    yield Line("manifest", how, size(shards * of.manifest), size(part_shards * of.manifest))
    how, seconds = f"{of.manifest_us:.0f} us per shard", of.manifest_us / 1e6
    yield Line("  time to write", how, duration(shards * seconds), duration(part_shards * seconds))
    one, each = "in one process", "in each process"
    yield in_bytes("memory of a run", of.memory, f"{of.memory:.0f} bytes per image, {one}")
    yield in_time("plan and commit", of.new_us, f"{of.new_us:.0f} us per image, {one}")
    feeds = 1e3 * of.worker_ms / of.new_us
    yield Line("  cores kept busy", "CPU time / plan and commit", "", f"{feeds:.0f}")
    feeds = 1e3 * of.worker_ms / of.tasks_us
    yield Line("  upper limit", f"{of.tasks_us:.0f} us, without batches", "", f"{feeds:.0f}")
    yield in_time("nothing new", of.again_us, f"{of.again_us:.0f} us per image, {one}")
    yield in_time("opening a set", of.open_us, f"{of.open_us:.1f} us per image, {each}")
    yield in_bytes("  memory", of.open_memory, f"{of.open_memory:.0f} bytes per image, {each}")


def size(count: float) -> str:
    """A number of bytes, with a unit."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 999.5 and len(units) > 1:
        count /= 1e3
        del units[0]
    return f"{count:,.0f} {units[0]}" if count >= 99.5 else f"{count:.2g} {units[0]}"


def duration(seconds: float) -> str:
    """A duration, with a unit."""
    units = {"h": 3600, "min": 60, "s": 1}
    unit = next((unit for unit, length in units.items() if seconds >= 2 * length), "s")
    count = seconds / units[unit]
    return f"{count:,.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"


@click.command()
@click.option("--images", default=1e9, show_default=True)
@click.option("--set-images", default=2e7, show_default=True, help="Images per set.")
@click.option("--machines", default=10, show_default=True)
@click.option("--cores", default=32, show_default=True, help="Cores per machine.")
@click.option("--kilobytes", default=105.3, show_default=True, help="Mean size of an image file.")
@click.option("--worker-ms", type=float, help="CPU time per image, if not as measured.")
@click.option("--n-px", default=224, type=click.Choice(SIZES))
@click.option("--dtype", default="float32", type=click.Choice([*ITEM_DTYPE]))
def main(worker_ms: float | None, **work: Any) -> None:
    """Compute and print."""
    of = figures()
    if worker_ms:
        of = of._replace(worker_ms=worker_ms)
    found = [Line("", "", "all", "one set"), *lines(Work(**work), of)]
    for line in found:
        click.echo(f"{line.what:20}{line.how:36}{line.whole:>12}{line.one:>12}".rstrip())


if __name__ == "__main__":
    main()
