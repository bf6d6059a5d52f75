"""Where a command's words go: results to standard output, all else to standard error."""

import json
from collections.abc import Callable
from typing import Any

import click


def say(line: str) -> None:
    """Show a message to whoever watches the command."""
    click.echo(line, err=True)


def show(result: Callable[[], dict[str, Any]], text: Callable[[], str], *, as_json: bool) -> None:
    """Show what a command found or did."""
    click.echo(json.dumps(result()) if as_json else text())
