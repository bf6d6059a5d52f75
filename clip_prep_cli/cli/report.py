"""`clip-prep report`: a set in one HTML page."""

from pathlib import Path
from typing import Any

import click

from clip_prep_cli.cli.options import JSON, SET, all_of, option
from clip_prep_cli.cli.output import show
from clip_prep_cli.common.wording import printable, size_text
from clip_prep_cli.errors import CannotContinueError

_OPTIONS = (
    SET,
    click.option(  # as above: not CLIP_PREP_OUT
        *("-o", "--out"),
        required=True,
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the page to FILE.",
    ),
    option(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="Seed for the choice of images shown.  [default: 0]",
    ),
    JSON,
)


@click.command
@all_of(*_OPTIONS)
def report(**options: Any) -> None:  # noqa: ANN401
    """Describe the set in DIR on one HTML page.

    The page shows totals, failures, the sizes and shapes of the source images, where the set comes
    from, and some rows as pictures. The page works offline. This command needs pip install
    'clip-prep-cli[report]'.
    """
    try:
        from clip_prep_cli.inspection.report.page import write_report
    except ModuleNotFoundError as error:
        raise CannotContinueError(
            f"A report needs {error.name}, which is not installed.",
            "Install it with `pip install 'clip-prep-cli[report]'`.",
        ) from error
    path = options["out"]
    size = write_report(options["directory"], path, options["seed"])
    text = f"Wrote {printable(str(path))} ({size_text(size)})."
    show({"report": str(path), "bytes": size}, text, as_json=options["as_json"])
