"""The options of `clip-prep convert`, and the Click types that turn texts into valid values."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
from click.shell_completion import CompletionItem

from clip_prep_cli.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.pixels.models import ALL_MODELS, MODELS

_NAMES = (*MODELS, ALL_MODELS)


class ModelName(click.ParamType[str]):
    """One of OpenAI's names, or `all`."""

    name = "model"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as OpenAI writes it, whatever its case was."""
        known = {name.lower(): name for name in _NAMES}
        if exact := known.get(value.lower()):
            return exact
        near = get_close_matches(value.lower(), known, n=1, cutoff=0.5)
        hint = f" Did you mean {known[near[0]]}?" if near else ""
        return self.fail(f"{value!r} is not a model.{hint} See `clip-prep models`.", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin like `incomplete`."""
        del ctx, param
        return [CompletionItem(n) for n in _NAMES if n.lower().startswith(incomplete.lower())]


class FailureLimit(NamedTuple):
    """How many failed images still count as success: a number, or a share in percent."""

    value: float
    percent: bool = False

    def exceeded(self, failed: int, listed: int) -> bool:
        """Whether `failed` of `listed` images are too many."""
        return failed > (self.value * listed / 100 if self.percent else self.value)


class FailureLimitType(click.ParamType[FailureLimit]):
    """`N` or `P%`."""

    name = "N|P%"

    def convert(
        self,
        value: str | FailureLimit,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> FailureLimit:
        """The limit, if it is a whole number, or a percentage from 0 to 100."""
        if isinstance(value, FailureLimit):
            return value
        number = value.removesuffix("%")
        try:
            limit = FailureLimit(float(number) if number != value else int(number), number != value)
        except ValueError:
            return self.fail(f"{value!r} is neither a number nor a percentage.", param, ctx)
        if not 0 <= limit.value <= (100 if limit.percent else float("inf")):
            return self.fail(f"{value!r} is out of range.", param, ctx)
        return limit


Command = TypeVar("Command", bound=Callable[..., Any])


def _option(*names: str, **settings: Any) -> Callable[[Command], Command]:  # noqa: ANN401
    """Make an option that can also be set by its CLIP_PREP_... environment variable."""
    long = next(name for name in names if name.startswith("--"))
    variable = "CLIP_PREP_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **settings)


def _choice(*values: str) -> dict[str, Any]:
    """Settings of an option that takes one of `values`, by default the first."""
    return {"type": click.Choice(values), "default": values[0], "show_default": True}


_OPTIONS = (
    click.argument("inputs", nargs=-1, required=True, metavar="INPUT..."),
    _option(
        *("-m", "--model", "models"),
        multiple=True,
        required=True,
        type=ModelName(),
        metavar="NAME",
        help="For which model; repeatable; `all` for the five resolutions.",
    ),
    _option(
        *("-o", "--out"),
        required=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where the tensors go.",
    ),
    _option(
        *("--format", "format_"),
        **_choice("npy", "pt"),
        help="Shards for numpy.load or for torch.load.",
    ),
    _option(
        "--dtype",
        **_choice("float32", "float16", "bfloat16", "uint8"),
        help="uint8: the cropped pixels, not normalized.",
    ),
    _option(
        "--shard-size",
        type=click.IntRange(1, 1 << 24),
        default=1024,
        metavar="N",
        help="Samples per shard.  [default: 1024]",
    ),
    _option(
        *("-j", "--workers"),
        type=click.IntRange(1, 4096),
        metavar="N",
        help="Worker processes.  [default: the CPUs this process may use]",
    ),
    _option(
        "--include",
        multiple=True,
        metavar="GLOB",
        help="Only files that match, as in .gitignore; repeatable.",
    ),
    _option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        help="No files or folders that match, as in .gitignore; repeatable.",
    ),
    _option("-L", "--follow-links", is_flag=True, help="Follow symbolic links below the inputs."),
    _option("--hidden", is_flag=True, help="Take files and folders that begin with a dot."),
    _option(
        "--exif",
        **_choice("ignore", "apply"),
        help="apply: turn images upright first, which the reference does not.",
    ),
    _option(
        "--max-pixels",
        type=click.IntRange(min=1),
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help=f"Refuse larger images.  [default: {DEFAULT_MAX_PIXELS}]",
    ),
    _option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"Give an image up after this long.  [default: {DEFAULT_TIMEOUT:g}]",
    ),
    _option(
        "--max-failures",
        type=FailureLimitType(),
        default="0",
        help="How many failed images still count as success.  [default: 0]",
    ),
    _option("--fail-fast", is_flag=True, help="Stop at the first failure."),
    _option("--retry-failed", is_flag=True, help="Try images again that failed before."),
    _option("--overwrite", is_flag=True, help="Start the set in DIR anew."),
    _option("-n", "--dry-run", is_flag=True, help="Only list; say what would be done."),
    _option("--resize", **_choice("native", "pillow"), hidden=True),
    _option("--json", "as_json", is_flag=True, help="One JSON object on standard output."),
    _option("-q", "--quiet", is_flag=True, help="No progress; no summary if all went well."),
    _option("-v", "--verbose", is_flag=True, help="Name every failure."),
)


def convert_options(command: Command) -> Command:
    """Give `command` the options of `clip-prep convert`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
