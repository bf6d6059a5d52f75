"""Where a worker's time goes: each stage alone, over the same images."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xxhash

from clip_prep_cli.decode import Decoder
from clip_prep_cli.limits import DEFAULT_MAX_PIXELS
from clip_prep_cli.pixels.native import best_kernel
from clip_prep_cli.pixels.normalize import lookup_table
from clip_prep_cli.pixels.pipeline import preprocess
from clip_prep_cli.rows import RowWriter, open_target


def stages(paths: list[str], n_px: int) -> dict[str, float]:
    """Median milliseconds per image of each stage; `write` is the time until it is on disk."""
    table = lookup_table("float32")
    writer = RowWriter((3, n_px, n_px), table.dtype)
    decoder = Decoder(DEFAULT_MAX_PIXELS)
    kernel = best_kernel()
    spent: dict[str, list[float]] = {}

    def timed(stage: str, step: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = step()
        spent.setdefault(stage, []).append(1000 * (time.perf_counter() - began))
        return result

    with tempfile.NamedTemporaryFile(dir=".") as scratch:
        target = open_target(scratch.name, writer.row_bytes)
        for path in paths:
            data = timed("read", Path(path).read_bytes)
            timed("checksum of the file", lambda data=data: xxhash.xxh3_128_hexdigest(data))
            pixels = timed("decode", lambda d=data: decoder.decode(memoryview(d)).pixels)
            row = writer.buffer()
            timed(
                "resize, crop, normalize",
                lambda p=pixels, row=row: preprocess(p, n_px, table, row, kernel),
            )
            timed("checksum of the row", lambda row=row: xxhash.xxh3_64_hexdigest(row.data))
            timed("write", lambda: (writer.write(target, 0), writer.finish()))
    return {stage: statistics.median(times) for stage, times in spent.items()}
