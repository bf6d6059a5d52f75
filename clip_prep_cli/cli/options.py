"""What the options of all commands share, and help that lists them by task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from clip_prep_cli.cli.params import SetPath

Command = TypeVar("Command", bound=Callable[..., Any])

_LAST = "The run"
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
    """A command whose help has its options in sections, in the order in which these come."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                section = getattr(param, "section", "") or _LAST
                sections.setdefault(section, []).append(record)
        width = max(len(names) for records in sections.values() for names, _ in records)
        for title, records in sections.items():
            with formatter.section(title):  # their columns in line with each other
                formatter.write_dl([(names.ljust(width), text) for names, text in records])


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
SET = click.argument(
    "directory", metavar="DIR", type=SetPath(exists=True, file_okay=False, path_type=Path)
)


def all_of(options: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """One decorator for a command's options, in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
