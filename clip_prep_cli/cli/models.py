"""`clip-prep models`: the models that images can be converted for."""

import click

from clip_prep_cli.cli.output import show
from clip_prep_cli.pixels.models import MODELS


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def models(*, as_json: bool) -> None:
    """List the model names and their resolutions."""
    sides = {name: transform.side for name, transform in MODELS.items()}
    lines = [f"{name:<16}{n_px} px" for name, n_px in sides.items()]
    show(sides, "\n".join(lines), as_json=as_json)
