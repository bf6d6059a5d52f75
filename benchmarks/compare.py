"""Compare clip-prep with the alternatives, on a folder of images.

    python benchmarks/compare.py FOLDER [--workers 2] [--repeats 3] [--results benchmarks/results]

The subjects run in turn, as whole processes including start-up, so that a machine that slows down
slows all of them; the medians of the repeats are compared. Prints a table and writes NAME.json,
NAME.md and NAME.svg. Needs Linux and `pip install -e '.[test]'`; includes DALI if it is installed.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from report import chart, page
from stages import stages

HERE = Path(__file__).parent


@dataclass
class Subject:
    """One way to do the work, and the cost of each run."""

    name: str
    command: list[str]
    out: Path
    runs: list[dict[str, float]] = field(default_factory=list)

    def run(self) -> None:
        """Run it once, into an empty directory, with no earlier writes pending."""
        shutil.rmtree(self.out, ignore_errors=True)
        os.sync()
        command = [sys.executable, str(HERE / "measure.py"), *self.command]
        finished = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        cost = json.loads(finished.stderr.splitlines()[-1])
        if cost["status"] not in (0, 3):  # 3: some images cannot be converted
            raise click.ClickException(f"{self.name} failed:\n{finished.stderr}")
        self.runs.append(cost)

    def median(self, what: str) -> float:
        """The median over the repeats of `wall`, `cpu` (seconds) or `peak` (bytes)."""
        return statistics.median(run[what] for run in self.runs)


def subjects(folder: str, n_px: int, workers: int, scratch: Path) -> list[Subject]:
    """All subjects that can run here."""
    model = {224: "ViT-B/32", 288: "RN50x4", 336: "ViT-L/14@336px", 384: "RN50x16"}.get(
        n_px, "RN50x64"
    )

    def script(name: str, count: int) -> Subject:
        out = scratch / name
        parts = (HERE / "subjects.py", name, folder, out, n_px, count)
        return Subject(name, [sys.executable, *map(str, parts)], out)

    def ours(count: int) -> Subject:
        out = scratch / f"clip-prep-{count}"
        command = [sys.executable, "-m", "clip_prep_cli", "convert", folder, "--out", str(out)]
        settings = ["--model", model, "--workers", str(count), "--quiet"]
        name = f"clip-prep, {count} worker{'s' * (count > 1)}"
        return Subject(name, [*command, *settings], out)

    has_dali = find_spec("nvidia") is not None and find_spec("nvidia.dali") is not None
    others = ["reference", "tensor", *(["dali"] if has_dali else [])]
    counts = sorted({1, workers})
    return [
        *(script(name, workers) for name in others),
        *(ours(count) for count in counts),
        script("decode", 1),
    ]


def differences(reference: Path, other: Path) -> dict[str, float]:
    """How much the tensors of `other` differ from the reference's."""
    largest, unequal, total = 0.0, 0, 0
    for path in sorted(reference.glob("*.npy")):
        theirs = np.load(path, mmap_mode="r")
        candidates = (other / path.name, *other.glob(f"*px/{path.name}"))
        ours = np.load(next(c for c in candidates if c.exists()), mmap_mode="r")
        for row, expected in zip(ours, theirs, strict=True):
            off = np.abs(row - expected)
            largest = max(largest, float(off.max()))
            unequal += int(np.count_nonzero(off))
            total += off.size
    return {"largest": largest, "share": unequal / total}


def machine() -> dict[str, str]:
    """Describe the machine and the versions."""
    cpu = Path("/proc/cpuinfo").read_text()
    names = [line.split(":")[1].strip() for line in cpu.splitlines() if "model name" in line]
    versions = subprocess.check_output(
        [sys.executable, "-m", "clip_prep_cli", "--version"], text=True
    )
    return {
        "processor": f"{names[0] if names else platform.processor()}, {os.cpu_count()} CPUs",
        "system": f"{platform.system()} {platform.release()}",
        "versions": versions.strip().replace("\n", ", "),
    }


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("--n-px", default=224, show_default=True)
@click.option("--workers", default=os.cpu_count(), show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--name", default="results", show_default=True, help="Base name of the output.")
@click.option("--results", type=click.Path(path_type=Path), default=HERE / "results")
def main(folder: str, n_px: int, workers: int, repeats: int, name: str, results: Path) -> None:
    """Compare the ways to preprocess the images in FOLDER."""
    with tempfile.TemporaryDirectory(dir=".", prefix="benchmark-") as scratch:
        competitors = subjects(os.path.abspath(folder), n_px, workers, Path(scratch))
        for repeat in range(repeats):
            for subject in competitors:
                click.echo(f"repeat {repeat + 1}: {subject.name}", err=True)
                subject.run()
        outputs = [c for c in competitors if c.name not in ("reference", "decode")]
        off = {c.name: differences(competitors[0].out, c.out) for c in outputs}
    found = _results(competitors, off, folder, n_px)
    text = page(found)
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    (results / f"{name}.md").write_text(text)
    (results / f"{name}.svg").write_text(chart(found))
    click.echo(text)


def _results(
    competitors: list[Subject], off: dict[str, dict[str, float]], folder: str, n_px: int
) -> dict[str, Any]:
    from subjects import files

    paths = files(folder)
    return {
        "machine": machine(),
        "work": {
            "images": len(paths),
            "mean_bytes": round(statistics.mean(map(os.path.getsize, paths))),
            "n_px": n_px,
            "repeats": len(competitors[0].runs),
        },
        "subjects": {
            c.name: {
                **{what: c.median(what) for what in ("wall", "cpu", "peak")},
                "images_per_second": len(paths) / c.median("wall"),
                "cpu_ms_per_image": 1000 * c.median("cpu") / len(paths),
                **({"difference": off[c.name]} if c.name in off else {}),
            }
            for c in competitors
        },
        "stages_ms": stages(paths[:: max(1, len(paths) // 400)], n_px),
    }


if __name__ == "__main__":
    main()
