"""What makes the pixels: the versions that a set's manifest records."""


def pixel_versions(resize_backend: str) -> dict[str, str]:
    """What makes the pixels, in the process that makes them."""
    import numpy as np
    import PIL
    import simplejpeg
    from PIL import features

    from clip_prep_cli.pixels.jpeg import simplejpeg_agrees

    return {
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "libjpeg-turbo": features.version_feature("libjpeg_turbo") or "not used",
        "simplejpeg": simplejpeg.__version__ + ("" if simplejpeg_agrees() else " (not used)"),
        "resize_backend": resize_backend,
    }
