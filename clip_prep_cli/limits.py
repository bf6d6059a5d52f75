"""How much one image may cost, unless the user says otherwise."""

DEFAULT_MAX_PIXELS = 178_956_970
"""Where Pillow itself refuses to open an image: twice its default `Image.MAX_IMAGE_PIXELS`."""

DEFAULT_TIMEOUT = 60.0
"""Seconds for one image."""

DEFAULT_SLOTS = 64
"""Tasks that an executor is taken to run at once if nobody says how many it can."""
