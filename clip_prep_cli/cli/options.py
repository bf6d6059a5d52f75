"""What the options of all commands share, and help that lists them by task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from clip_prep_cli.cli.params import Seconds, SetPath
from clip_prep_cli.run.options import SECTIONS, Option, declared

HELP_NAMES = ("-h", "--help")

Command = TypeVar("Command", bound=Callable[..., Any])

_LAST = SECTIONS[-1]
"""The section of an option that names none: Click's own --help."""


class SectionOption(click.Option):
    """An option that knows its section of the help; '' is the last."""

    def __init__(self, *declarations: Any, section: str = "", **settings: Any) -> None:  # noqa: ANN401 - as Click declares them
        super().__init__(*declarations, **settings)
        self.section = section

    def get_help_extra(self, ctx: click.Context) -> Any:  # noqa: ANN401 - Click has no public type
        """What Click adds to the help, but for ranges like [1<=x<=4096]: they help nobody."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


class SectionCommand(click.Command):
    """A command whose help has its options by task."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's
        """Its own: Click keeps those of the first context, which may be without the group's."""
        return list(HELP_NAMES)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                section = getattr(param, "section", "") or _LAST
                sections.setdefault(section, []).append(record)
        width = max(len(names) for records in sections.values() for names, _ in records)
        for title, records in sections.items():
            if not records:
                continue
            with formatter.section(title):  # their columns in line with each other
                formatter.write_dl([(names.ljust(width), text) for names, text in records])


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:  # noqa: ANN401
    """Make an option that can also be set by its CLIP_PREP_... environment variable.

    Unless it has a `metavar`, a time is shown as SECONDS, another number of a range as N.
    """
    if isinstance(settings.get("type"), click.IntRange | Seconds) and not settings.get("metavar"):
        settings["metavar"] = "N" if isinstance(settings["type"], click.IntRange) else "SECONDS"
    long = next(name for name in names if name.startswith("--"))
    variable = "CLIP_PREP_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, cls=SectionOption, envvar=variable, **settings)


def derived(name: str, declaration: Option) -> Callable[[Command], Command]:
    """Make the option of the command that `ConvertOptions` declares under this name."""
    shown = _words(declaration.default)
    return option(
        *filter(None, (declaration.short, "--" + name.replace("_", "-"))),
        section=declaration.section,
        type=_type_of(declaration),
        is_flag=declaration.default is False,
        multiple=declaration.default == (),
        default=declaration.default,
        metavar=declaration.metavar or None,
        help=declaration.help + (f"  [default: {shown}]" if shown else ""),
        hidden=declaration.hidden,
    )


def _words(default: object) -> str:
    """A default as the help has it; nothing for what is off or absent by default."""
    if isinstance(default, float):
        return f"{default:g}"
    return "" if default is None or default is False or default == () else str(default)


def _type_of(declaration: Option) -> click.ParamType[Any] | None:
    """What turns the text of an option into a value, and refuses what it cannot have."""
    if declaration.choices:
        return click.Choice(tuple(declaration.choices))
    if declaration.metavar == "FILE":
        return click.Path(exists=True, dir_okay=False, allow_dash=True)
    if declaration.metavar == "DIR":
        return click.Path(exists=True, file_okay=False, writable=True, path_type=Path)
    if isinstance(declaration.default, float):
        least = 0 if declaration.above_zero else declaration.at_least
        return Seconds(least, min_open=declaration.above_zero)
    if declaration.at_least is not None:
        return click.IntRange(declaration.at_least, declaration.at_most)
    return None


WORKERS = derived("workers", declared()["workers"])
DRY_RUN = option("-n", "--dry-run", is_flag=True, help="Show what would be done without doing it.")
JSON = option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
QUIET = option("-q", "--quiet", is_flag=True, help="Print nothing if all goes well.")
SET = click.argument(
    "directory", metavar="DIR", type=SetPath(exists=True, file_okay=False, path_type=Path)
)


def all_of(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator for a command's options, in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
