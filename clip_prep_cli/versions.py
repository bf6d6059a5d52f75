"""The versions that decide over the pixels, and the rest of a set's provenance."""

import platform
from collections.abc import Mapping
from typing import NamedTuple

from clip_prep_cli.version import __version__

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


def pixel_versions(resize_backend: str) -> dict[str, str]:
    """What makes the pixels, in the process that makes them."""
    import numpy as np
    import PIL
    import simplejpeg
    from PIL import features

    from clip_prep_cli.jpeg import simplejpeg_agrees

    return {
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "libjpeg-turbo": features.version_feature("libjpeg_turbo") or "not used",
        "simplejpeg": simplejpeg.__version__ + ("" if simplejpeg_agrees() else " (not used)"),
        "resize_backend": resize_backend,
    }
