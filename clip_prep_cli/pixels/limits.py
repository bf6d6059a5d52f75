"""How much one image may cost, unless the user says otherwise."""

from clip_prep_cli.errors import ImageError

DEFAULT_MAX_PIXELS = 178_956_970
"""Where Pillow itself refuses to open an image: twice its default `Image.MAX_IMAGE_PIXELS`."""

DEFAULT_TIMEOUT = 60.0
"""Seconds for one image."""


_MAX_BYTES_PER_PIXEL = 8
_SMALL_FILE = 1 << 28


def most_bytes(max_pixels: int) -> int:
    """The size beyond which no file can be an image with so many pixels."""
    return max(_SMALL_FILE, _MAX_BYTES_PER_PIXEL * max_pixels)


def check_size(size: int, most: int) -> None:
    """Refuse a file of `size` bytes that cannot be an image, since that has at most `most`.

    Raises:
        ImageError: it is larger.
    """
    if size > most:
        raise ImageError("too_large", f"{size} bytes is more than --max-pixels can need")
