"""The command line: a group of commands, each with a file of its own.

What takes time to import is imported where it is used: `--help` must not wait for it.
"""

import sys
from typing import Any, NoReturn

import click

from clip_prep_cli.cli.compact import compact
from clip_prep_cli.cli.convert import convert
from clip_prep_cli.cli.errors import errors_in_words, fail
from clip_prep_cli.cli.info import info
from clip_prep_cli.cli.models import models
from clip_prep_cli.cli.options import HELP_NAMES
from clip_prep_cli.cli.preview import preview
from clip_prep_cli.cli.report import report
from clip_prep_cli.cli.verify import verify
from clip_prep_cli.errors import UsageError


class _Commands(click.Group):
    """Commands whose errors are words."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as Click declares it
        with errors_in_words():
            return super().invoke(ctx)


@click.group(
    cls=_Commands,
    commands=[convert, verify, compact, info, preview, report, models],
    context_settings={"help_option_names": HELP_NAMES},
    epilog="Exit status: 0 success; 1 error; 2 usage error; 3 too many images failed; "
    "4 verify found a difference; 75 another run holds the output; 130/143 stopped by a signal.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False,
              callback=lambda ctx, _, value: _show_version(ctx) if value else None,
              help="Show the versions that determine the pixels.")  # fmt: skip
def cli() -> None:
    """Convert images to CLIP input tensors.

    Each image becomes exactly the tensor that the transform in openai/CLIP produces.
    """
    if sys.getfilesystemencoding() != "utf-8":  # a set would know the same file by another name
        problem = f"Python decodes file names as {sys.getfilesystemencoding()} here, not as UTF-8."
        fail(UsageError(problem, "Set PYTHONUTF8=1 in the environment."))


def _show_version(ctx: click.Context) -> NoReturn:
    from clip_prep_cli.common.versions import package_versions
    from clip_prep_cli.pixels.native import best_kernel, resize_backend
    from clip_prep_cli.pixels.versions import pixel_versions

    versions = package_versions() | pixel_versions(resize_backend(best_kernel()))
    for name, version in versions.items():
        click.echo(f"{name} {version}")
    ctx.exit()
