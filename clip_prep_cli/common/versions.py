"""The versions that decide over the pixels, and the rest of a set's provenance."""

import platform
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__version__ = "0.1.0"

_DECISIVE = ("pillow", "libjpeg-turbo", "simplejpeg")
"""Those of which another version may decode or resize to other pixels."""


class Change(NamedTuple):
    """Something of which a set's earlier rows were made with another version."""

    name: str
    before: str
    now: str


def decisive_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    """What may give other pixels now than before; nothing if either is unknown."""
    return [
        Change(name, before[name], now[name])
        for name in _DECISIVE
        if name in before and name in now and before[name] != now[name]
    ]


def package_versions() -> dict[str, str]:
    """What runs, and on what."""
    return {
        "clip-prep": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def versions_warning(changes: Sequence[Change]) -> str:
    """That a set goes on with other software, and why that matters."""
    what = ", ".join(f"{name} {now} (was {before})" for name, before, now in changes)
    return (
        f"Warning: the set is continued with {what}. New rows may differ slightly from "
        "what the old versions would give.\n"
        "To keep all rows consistent, use the old versions, or start over with --overwrite. "
        "The manifest's history records which shards were made with which versions."
    )
