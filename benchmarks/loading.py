"""Measure images per second in batches from a set, from image files, and from raw bytes.

    python benchmarks/loading.py FOLDER [WORKERS]

converts the images in FOLDER for ViT-B/32 to a float32 and a uint8 set, and reads epochs with a
DataLoader, with the files in the page cache as far as they fit.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset

from clip_prep_cli import ShardSampler, TensorDataset, convert, preprocess

MODEL = "ViT-B/32"
BATCH = 64
REPEATS = 3


class Files(Dataset[torch.Tensor]):
    """Image files, each converted on access: the work that a set saves."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(preprocess(self._paths[index], MODEL))


def just_tensor(tensor: torch.Tensor, _: object) -> torch.Tensor:
    """An item without its path."""
    return tensor


def read_bytes(directory: Path) -> int:
    """Read the tensor files once, in large chunks: the limit for any loader that copies."""
    buffer = bytearray(1 << 22)
    total = 0
    for path in sorted(directory.glob("*px/shard-*")):
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
    return total


def epoch(loader: Iterable[Any]) -> int:
    """Read every batch, and count the images."""
    return sum(len(batch) for batch in loader)


def rate(count: int, call: Callable[[], object]) -> float:
    """Images per second, the best of several repeats."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return count / min(times)


def main(folder: str, workers: int) -> None:
    """Measure and print."""
    settings: dict[str, Any] = {"batch_size": BATCH, "num_workers": workers}
    with tempfile.TemporaryDirectory(dir=".") as directory:
        lines = []
        for dtype in ("float32", "uint8"):
            out = Path(directory, dtype)
            convert(folder, MODEL, out, dtype=dtype)
            dataset = TensorDataset(out, item=just_tensor)
            count = len(dataset)
            limit = rate(count, partial(read_bytes, out))
            lines.append((f"{dtype}: raw bytes only, one process", limit))
            shards = DataLoader(dataset, sampler=ShardSampler(dataset), **settings)
            sampler = BatchSampler(ShardSampler(dataset), BATCH, drop_last=False)
            batches = DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=workers)
            for name, loader in (
                ("sequential", DataLoader(dataset, **settings)),
                ("shuffled", DataLoader(dataset, shuffle=True, **settings)),
                ("shuffled by ShardSampler", shards),
                ("ShardSampler, whole batches", batches),
            ):
                lines.append(
                    (f"{dtype}: TensorDataset, {name}", rate(count, partial(epoch, loader)))
                )
        files = DataLoader(Files(list(dataset.paths)), **settings)
        lines.append(("image files: preprocess", rate(count, partial(epoch, files))))
    slowest = lines[-1][1]
    click.echo(f"{count:,} images, {workers} workers, batches of {BATCH}, best of {REPEATS} epochs")
    for name, found in lines:
        click.echo(f"{name:<52}{found:>9,.0f} images/s {found / slowest:6.1f} x")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count() or 1)
