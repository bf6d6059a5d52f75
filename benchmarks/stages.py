"""Measure where a worker's time goes: each stage, over the same images, one at a time."""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xxhash

from clip_prep_cli.pixels.decode import Decoder
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS
from clip_prep_cli.pixels.native import best_kernel
from clip_prep_cli.pixels.pipeline import Pipeline
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import openai
from clip_prep_cli.workers.row_writer import RowWriter, open_target


class Stopwatch:
    """Collects how long each stage took, in milliseconds."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as one run of the stage."""
        began = time.perf_counter()
        yield
        self._spent[name].append(1000 * (time.perf_counter() - began))

    def medians(self) -> dict[str, float]:
        """The median of each stage, in the order in which they first ran."""
        return {name: statistics.median(times) for name, times in self._spent.items()}


def stages(paths: list[str], n_px: int) -> dict[str, float]:
    """Median milliseconds per image of each stage; `write` is the time until it is on disk."""
    pipeline = Pipeline(openai(n_px), "float32", OPENAI, best_kernel())
    writer = RowWriter(pipeline.shape, pipeline.table.dtype)
    decoder, watch = Decoder(DEFAULT_MAX_PIXELS), Stopwatch()
    with tempfile.NamedTemporaryFile(dir=".") as scratch:
        target = open_target(scratch.name, writer.row_bytes)
        for path in paths:
            with watch.stage("read"):
                data = memoryview(Path(path).read_bytes())
            with watch.stage("checksum of the file"):
                xxhash.xxh3_128_hexdigest(data)
            with watch.stage("decode"):
                image = decoder.decode(data)
            row = writer.buffer()
            with watch.stage("resize, crop, normalize"):
                pipeline.fill(image.pixels, row)
            with watch.stage("checksum of the row"):
                xxhash.xxh3_64_hexdigest(row.data)
            with watch.stage("write"):
                writer.write(target, 0)
                writer.finish()
    return watch.medians()
