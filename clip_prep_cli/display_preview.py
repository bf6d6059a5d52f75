"""Which sheet was drawn, as text for people and JSON for programs."""

from typing import Any

from clip_prep_cli.preview import Preview
from clip_prep_cli.wording import printable, size_text


def drawing(done: Preview) -> str:
    """The result of `preview` in a line."""
    what = "failures" if done.request.failures else "images"
    return (
        f"Wrote {printable(str(done.request.out))}: {len(done.shown):,} of {done.total:,} {what}, "
        f"{done.columns} to a row, in the order of the set; {done.width:,} x {done.height:,} "
        f"pixels, {size_text(done.bytes)}."
    )


def drawing_result(done: Preview) -> dict[str, Any]:
    """The result of `preview` for `--json`."""
    return {
        "out": str(done.request.out),
        "directory": str(done.request.directory),
        "n_px": done.layout.n_px,
        "failures": done.request.failures,
        "crop": done.request.crop,
        "seed": done.request.seed,
        "total": done.total,
        "columns": done.columns,
        "width": done.width,
        "height": done.height,
        "bytes": done.bytes,
        "cells": [shown._asdict() for shown in done.shown],
    }
