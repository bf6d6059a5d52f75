"""File bytes to pixels, within limits; whatever goes wrong has a reason."""

import io
import re
import struct
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from clip_prep_cli.errors import ImageError, Reason
from clip_prep_cli.pixels.formats import FORMATS
from clip_prep_cli.pixels.jpeg import JpegDecoder, plain_header, simplejpeg_agrees
from clip_prep_cli.pixels.pipeline import as_pixels
from clip_prep_cli.pixels.references import OPENAI, Reference
from clip_prep_cli.pixels.transforms import Transform

_FOREIGN = {
    # A HEIF brand, or the common one of HEIF and AVIF with a HEIF brand behind it.
    "HEIF": re.compile(rb"....ftyp((mif1|msf1).{4,40})?(heic|heix|heim|heis|hevc|hevx)", re.DOTALL),
    "PDF": re.compile(rb"%PDF-"),
    "SVG": re.compile(rb"\s*(<\?xml.*?)?<svg", re.DOTALL),
    "JPEG XL": re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    # Pillow's own test for cursors takes some TGA files for one.
    "CUR": re.compile(rb"\x00\x00\x02\x00(?!\x00\x00)"),
    "FLIF": re.compile(rb"FLIF"),
}
"""Formats that Pillow does not know, or not well, by how their files begin."""


_TELLTALES: dict[Reason, re.Pattern[str]] = {
    "too_large": re.compile("MemoryError|OverflowError"),
    "truncated": re.compile(
        "EOFError|truncated|premature|unexpected end|not enough (image )?data", re.IGNORECASE
    ),
    "unsupported": re.compile(
        r"NotImplementedError|unsupported|not supported|not available|unknown \w+ mode",
        re.IGNORECASE,
    ),
}
"""Pillow has no error classes to tell these apart; its words do. All else is damage."""


class Decoded(NamedTuple):
    """An image: what the file says it is, and its pixels, as `preprocess` takes them."""

    format: str
    mode: str
    width: int
    height: int
    pixels: Image.Image | NDArray[np.uint8]


class Decoder:
    """Decodes images, one at a time; the pixels are valid until the next one."""

    def __init__(
        self,
        max_pixels: int,
        exif: str = "ignore",
        jpeg: str = "simplejpeg",
        reference: Reference = OPENAI,
    ) -> None:
        self._max_pixels = max_pixels
        self._reference = reference
        self._apply_exif = exif == "apply"
        fast = jpeg == "simplejpeg" and simplejpeg_agrees()
        self._jpeg = JpegDecoder() if fast else None

    def decode(self, data: memoryview) -> Decoded:
        """The first frame of the image in `data`.

        Raises:
            ImageError: see `open_image`.
            Exception: anything that Pillow raises for a damaged image; see `reason_of`.
        """
        is_jpeg = bytes(data[:3]) == b"\xff\xd8\xff"
        if self._jpeg and is_jpeg and (header := plain_header(data)):
            _limit(header.width * header.height, self._max_pixels)
            pixels = self._jpeg.decode(data, header.width, header.height)
            if pixels is not None:
                return Decoded("JPEG", *header, pixels)
        image = open_image(data, self._max_pixels)
        source = (image.format or "", image.mode, *image.size)
        if self._apply_exif and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            image = ImageOps.exif_transpose(image)
            return Decoded(*source, as_pixels(image, self._reference))
        if self._jpeg and image.format in ("JPEG", "MPO"):
            pixels = self._jpeg.decode(data, *image.size)
            if pixels is not None:
                return Decoded(*source, pixels)
        return Decoded(*source, as_pixels(image, self._reference))


def prepare_process(max_pixels: int, transforms: Iterable[Transform]) -> None:
    """Set this process up for untrusted images; Pillow's limits and warnings are global.

    The images inside an image (ICO, for one) have no other limit than Pillow's own; Pillow only
    warns of what is a little over it.
    """
    # Pillow counts the crop as well, which may be larger than a small source.
    crops = (transform.height * transform.width for transform in transforms)
    Image.MAX_IMAGE_PIXELS = max((max_pixels, *crops))
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def open_image(data: bytes | memoryview, max_pixels: int) -> Image.Image:
    """The first frame of the image in `data`; its pixels are not decoded yet.

    Raises:
        ImageError: it is no image, is not of an allowed format, or has too many pixels.
        Exception: anything that Pillow raises for a damaged header; see `reason_of`.
    """
    if len(data) == 0:
        raise ImageError("not_an_image", "the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _unidentified(bytes(data[:1024])) from None
    if image.format == "TGA" and (other := _signature(bytes(data[:1024]))):
        raise _unsupported(other)
    _limit(image.width * image.height, max_pixels)
    return image


def reason_of(error: Exception) -> tuple[Reason, str]:
    """What an error while an image was opened, decoded or resized means for the failure record."""
    if isinstance(error, ImageError):
        return error.reason, error.detail
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(str(error).split()))[:300]
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        pixels = re.search(r"\d+", text)
        return "too_large", _too_many(pixels[0] if pixels else "its")
    name = type(error).__name__
    for reason, telltale in _TELLTALES.items():
        if telltale.search(f"{name} {text}"):
            return reason, text or name
    return "corrupt", text or name


def _limit(pixels: int, max_pixels: int) -> None:
    if pixels > max_pixels:
        raise ImageError("too_large", _too_many(pixels))


def _too_many(pixels: object) -> str:
    return f"{pixels} pixels exceed --max-pixels"


def _unidentified(data: bytes) -> ImageError:
    """Why no allowed format recognized the file: another format, a broken header, or no image."""
    name = _signature(data)
    if name is None:
        text = data[:512].isascii() and not re.search(rb"[\x00-\x08\x0e-\x1f]", data[:512])
        kind = "text" if text else "not in a known image format"
        return ImageError("not_an_image", f"the content is {kind}")
    if name in FORMATS:
        return ImageError("corrupt", f"starts like {name}, but its header cannot be read")
    return _unsupported(name)


def _unsupported(name: str) -> ImageError:
    return ImageError("unsupported", f"{name} is not supported; convert it to PNG or JPEG first")


def _signature(data: bytes) -> str | None:
    """The format whose signature `data` bears, of those that Pillow or this module knows."""
    for name, begin in _FOREIGN.items():
        if begin.match(data[:1024]):
            return name
    Image.init()
    for name, (_, accept) in Image.OPEN.items():
        if accept is None or name in _FOREIGN:
            continue
        with suppress(struct.error):  # DIB's test, of less than 4 bytes
            if accept(data[:16]):
                return name
    return None
