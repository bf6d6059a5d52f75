"""Help by task: Click's options, each with the section of the help that it belongs to."""

from typing import Any

import click

_LAST = "The run"
"""The section of what has none: Click's own --help."""


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
