"""What options of all commands share, and the options of those that read a set."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from clip_prep_cli.errors import UsageError
from clip_prep_cli.params import ModelName, SetPath, SourceCountType
from clip_prep_cli.pixels.models import MODELS
from clip_prep_cli.sections import SectionOption

if TYPE_CHECKING:
    from clip_prep_cli.preview import Request

Command = TypeVar("Command", bound=Callable[..., Any])


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:  # noqa: ANN401
    """Make an option that can also be set by its CLIP_PREP_... environment variable."""
    long = next(name for name in names if name.startswith("--"))
    variable = "CLIP_PREP_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, cls=SectionOption, envvar=variable, **settings)


def choice(*values: str) -> dict[str, Any]:
    """Settings of an option that takes one of `values`, by default the first."""
    return {"type": click.Choice(values), "default": values[0], "show_default": True}


WORKERS = option(
    *("-j", "--workers"),
    section="The run",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Worker processes.  [default: the usable CPUs]",
)
JSON = option(
    *("--json", "as_json"),
    section="The run",
    is_flag=True,
    help="One JSON object on standard output.",
)
QUIET = option(
    *("-q", "--quiet"), section="The run", is_flag=True, help="Say nothing if all is well."
)
_SET = click.argument(
    "directory", metavar="DIR", type=SetPath(exists=True, file_okay=False, path_type=Path)
)

_VERIFY = (
    _SET,
    option(
        "--sources",
        type=SourceCountType(),
        default="0",
        metavar="N|all",
        help="Make so many rows anew from their source files, by Pillow alone, and compare.",
    ),
    WORKERS,
    JSON,
    QUIET,
)

_COMPACT = (
    _SET,
    option("-n", "--dry-run", is_flag=True, help="Only say what would be done."),
    JSON,
    QUIET,
)

_INFO = (_SET, JSON)

_PREVIEW = (
    _SET,
    # Not from the environment: CLIP_PREP_OUT and CLIP_PREP_MODEL are those of `convert`.
    click.option(
        *("-o", "--out"),
        type=click.Path(path_type=Path),
        metavar="FILE.png",
        help="Where the sheet goes.",
    ),
    option(
        "--count",
        type=click.IntRange(1, 400),
        default=36,
        metavar="N",
        help="How many images, chosen at random; at most 400.  [default: 36]",
    ),
    option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Another seed chooses others.  [default: 0]",
    ),
    option(
        "--resolution",
        type=click.IntRange(1),
        metavar="NPX",
        help="Rows of this resolution.  [default: the set's first]",
    ),
    click.option(
        *("-m", "--model"),
        type=ModelName(one=True),
        metavar="NAME",
        help="Rows of the resolution of this model.",
    ),
    option("--failures", is_flag=True, help="Show what could not be converted, and why."),
    option("--crop", is_flag=True, help="Show the sources; what the crop cuts away is dimmed."),
    option(
        "--columns",
        type=click.IntRange(1, 400),
        metavar="N",
        help="Images to a row.  [default: as many as there are rows]",
    ),
    JSON,
)

_REPORT = (
    _SET,
    click.option(  # as above: not CLIP_PREP_OUT
        *("-o", "--out"),
        required=True,
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Where the page goes.",
    ),
    option(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="Which images are shown; the same ones for the same number.  [default: 0]",
    ),
    JSON,
)


def all_of(options: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """One decorator for a command's options, in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


verify_options = all_of(_VERIFY)
compact_options = all_of(_COMPACT)
info_options = all_of(_INFO)
preview_options = all_of(_PREVIEW)
report_options = all_of(_REPORT)


def request_of(options: dict[str, Any]) -> "Request":
    """The sheet that the options of `clip-prep preview` describe.

    Raises:
        UsageError: they contradict each other, or do not say where it goes.
    """
    from clip_prep_cli.preview import Request

    out, model, n_px = options["out"], options["model"], options["resolution"]
    if out is None:
        raise UsageError("A sheet is an image file.", "Say where it goes: `-o sheet.png`.")
    if model and n_px not in (None, MODELS[model]):
        raise UsageError(f"{model} has {MODELS[model]}px, not {n_px}px.", "Leave one out.")
    return Request(
        directory=options["directory"],
        out=out,
        count=options["count"],
        seed=options["seed"],
        columns=options["columns"],
        n_px=MODELS[model] if model else n_px,
        model=model,
        failures=options["failures"],
        crop=options["crop"],
    )
