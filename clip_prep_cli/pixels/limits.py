"""How much one image may cost, unless the user says otherwise."""

DEFAULT_MAX_PIXELS = 178_956_970
"""Where Pillow itself refuses to open an image: twice its default `Image.MAX_IMAGE_PIXELS`."""

DEFAULT_TIMEOUT = 60.0
"""Seconds for one image."""


_MAX_BYTES_PER_PIXEL = 8
_SMALL_FILE = 1 << 28


def most_bytes(max_pixels: int) -> int:
    """The size beyond which no file can be an image with so many pixels."""
    return max(_SMALL_FILE, _MAX_BYTES_PER_PIXEL * max_pixels)
