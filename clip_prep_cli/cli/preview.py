"""`clip-prep preview`: a contact sheet of what the model will see."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clip_prep_cli.cli.options import JSON, SET, all_of, option
from clip_prep_cli.cli.output import show
from clip_prep_cli.cli.params import ModelName
from clip_prep_cli.common.wording import printable, size_text
from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.models import transform_of

if TYPE_CHECKING:
    from clip_prep_cli.inspection.preview import Preview, Request

_OPTIONS = (
    SET,
    # Not from the environment: CLIP_PREP_OUT and CLIP_PREP_MODEL are those of `convert`.
    click.option(
        *("-o", "--out"),
        type=click.Path(path_type=Path),
        metavar="FILE.png",
        help="Write the sheet to FILE.png.",
    ),
    option(
        "--count",
        type=click.IntRange(1, 400),
        default=36,
        help="Show N random images, at most 400.  [default: 36]",
    ),
    option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        help="Seed for the random choice.  [default: 0]",
    ),
    option(
        *("--resolution", "n_px"),
        type=click.IntRange(1),
        metavar="NPX",
        help="Show rows of this resolution.  [default: the set's first]",
    ),
    click.option(
        *("-m", "--model"),
        type=ModelName(one=True),
        metavar="NAME",
        help="Show rows of this model's resolution.",
    ),
    option("--failures", is_flag=True, help="Show images that could not be converted, and why."),
    option("--crop", is_flag=True, help="Show the sources, with what the crop removes dimmed."),
    option(
        "--columns",
        type=click.IntRange(1, 400),
        help="Images per row.  [default: a roughly square sheet]",
    ),
    JSON,
)


@click.command
@all_of(*_OPTIONS)
def preview(*, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Draw a contact sheet of images in DIR as the model will see them.

    The sheet shows stored rows, converted back to pixels; with --crop, it shows their sources, if
    they still exist.
    """
    from clip_prep_cli.inspection.preview import preview

    done = preview(_request(options))
    show(drawing_result(done), drawing(done), as_json=as_json)


def _request(options: dict[str, Any]) -> "Request":
    """The sheet that the options of `clip-prep preview` describe.

    Raises:
        UsageError: they contradict each other, or do not say where it goes.
    """
    from clip_prep_cli.inspection.preview import Request

    out, model, n_px = options["out"], options["model"], options["n_px"]
    if out is None:
        raise UsageError("No output file was given.", "Name one, as in `-o sheet.png`.")
    side = transform_of(model).side if model else n_px
    if n_px not in (None, side):
        raise UsageError(f"{model} uses {side}px, not {n_px}px.", "Drop -m or --resolution.")
    return Request(**{**options, "n_px": side})


def drawing(done: "Preview") -> str:
    """The result of `preview` in a line."""
    what = "failures" if done.request.failures else "images"
    return (
        f"Wrote {printable(str(done.request.out))}: {len(done.shown):,} of {done.total:,} {what}, "
        f"{done.columns} per row, in the set's order; {done.width:,} x {done.height:,} "
        f"pixels, {size_text(done.bytes)}."
    )


def drawing_result(done: "Preview") -> dict[str, Any]:
    """The result of `preview` for `--json`."""
    return {
        "out": str(done.request.out),
        "directory": str(done.request.directory),
        "n_px": done.layout.transform.side,
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
