"""Where a command's words go: results to standard output, all else to standard error."""

import json
from typing import Any

import click


def say(line: str) -> None:
    """Show a message to whoever watches the command."""
    click.echo(line, err=True)


def show(result: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Show what a command found or did."""
    click.echo(json.dumps(result) if as_json else text)
