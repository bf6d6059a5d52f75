"""Whether all who make rows of one set would make the same ones: their versions, side by side."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from clip_prep_cli.common.versions import package_versions
from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.pixels.versions import pixel_versions

_ALIKE = ("clip-prep", "pillow", "libjpeg-turbo", "simplejpeg")
"""What has to be of the same version everywhere: it decides over the pixels, or over the files."""


class Difference(NamedTuple):
    """Something of another version on a worker than here."""

    worker: str
    name: str
    here: str
    there: str


@cache
def own_versions(resize: str) -> Mapping[str, str]:
    """What this process and its workers are made of, if they resize so."""
    from clip_prep_cli.pixels.native import best_kernel, resize_backend

    kernel = best_kernel() if resize == "native" else None
    return {**package_versions(), **pixel_versions(resize_backend(kernel))}


def differences(worker: str, here: Mapping[str, str], there: Mapping[str, str]) -> list[Difference]:
    """What would make the worker's rows or files others than those made here."""
    return [
        Difference(worker, name, here[name], there[name])
        for name in _ALIKE
        if here[name] != there[name]
    ]


def refusal(found: Iterable[Difference]) -> CannotContinueError:
    """The refusal to work with such workers, with the table of what differs."""
    table = [Difference("worker", "", "here", "there"), *found]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return CannotContinueError(
        "Workers have different versions from this process, and might make different rows:",
        "Install the same versions everywhere (`pip freeze` here, `pip install -r` there).",
        tuple("  ".join(map(str.ljust, line, widths)).rstrip() for line in table),
    )


def merged(*each: Mapping[str, str]) -> dict[str, str]:
    """What several workers are made of: every value that there is, once."""
    values: dict[str, set[str]] = {}
    for versions in each:
        for name, value in versions.items():
            values.setdefault(name, set()).update(value.split(" + "))
    return {name: " + ".join(sorted(found)) for name, found in values.items()}
