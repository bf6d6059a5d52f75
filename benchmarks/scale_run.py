"""Run clip-prep with a clock on the stages of the process that plans and commits.

python scale_run.py FILE ARGUMENTS... writes to FILE, as JSON, the CPU seconds of that process, in
total and per stage; other programs on the machine affect them less than wall-clock time. Time in a
stage does not count towards a stage around it.
"""

import json
import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isgeneratorfunction
from pathlib import Path
from typing import Any

from clip_prep_cli.cli.main import cli
from clip_prep_cli.run.scan import Scan
from clip_prep_cli.sets import tensorset

STAGES = (
    (tensorset, "load", "load"),
    (Scan, "shards", "scan"),
    (tensorset.TensorSet, "commit", "commit"),
    (tensorset.TensorSet, "flush", "commit"),
    (tensorset.TensorSet, "_write_failures", "failures"),
    (tensorset.TensorSet, "_write_manifest", "manifest"),
)
"""The functions that are timed, and the stage of each."""

spent: dict[str, float] = defaultdict(float)
_inner = threading.local()


@contextmanager
def clock(stage: str) -> Iterator[None]:
    """Measure the CPU time of this thread, excluding stages within."""
    above, _inner.seconds = getattr(_inner, "seconds", 0.0), 0.0
    began = time.thread_time()
    try:
        yield
    finally:
        took = time.thread_time() - began
        spent[stage] += took - _inner.seconds
        _inner.seconds = above + took


def clocked(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, timed; a generator is timed while it produces items."""

    def call(*arguments: Any, **options: Any) -> Any:
        with clock(stage):
            return function(*arguments, **options)

    def steps(*arguments: Any) -> Iterator[Any]:
        items, end = function(*arguments), object()
        while True:
            with clock(stage):
                item = next(items, end)
            if item is end:
                return
            yield item

    return steps if isgeneratorfunction(function) else call


def main() -> None:
    """Run, and write the times."""
    for owner, name, stage in STAGES:
        setattr(owner, name, clocked(stage, getattr(owner, name)))
    where, *arguments = sys.argv[1:]
    try:
        cli(arguments)
    finally:
        status = Path("/proc/self/status").read_text("ascii")
        peak = int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024
        Path(where).write_text(
            json.dumps({"cpu": time.process_time(), "peak": peak, "stages": spent}), "ascii"
        )


if __name__ == "__main__":
    main()
