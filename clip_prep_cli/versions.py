"""The versions that decide over the pixels, and the rest of a set's provenance."""

import platform

import numpy as np
import PIL
from PIL import features

from clip_prep_cli import __version__


def generator() -> dict[str, str]:
    """What makes the tensors: the manifest's `generator`, and what `--version` shows."""
    return {
        "clip-prep": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "libjpeg-turbo": features.version_feature("libjpeg_turbo") or "not used",
        "resize_backend": "pillow",
        "platform": f"{platform.system()} {platform.machine()}",
    }
