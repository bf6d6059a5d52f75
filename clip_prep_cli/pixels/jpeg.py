"""JPEG decoding without Pillow's detours, for the files where it gives the same pixels."""

import io
from functools import cache
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.pixels.memory import Scratch


class JpegHeader(NamedTuple):
    """What Pillow would say of a file: `mode` is "RGB" or "L"."""

    mode: str
    width: int
    height: int


def plain_header(data: memoryview) -> JpegHeader | None:
    """The header of a JPEG file in which there is nothing that Pillow might stumble over.

    None for all others, which Pillow must open to say whether, and as what, it can. Of the
    segments before the scan, Pillow (`MARKER` in PIL/JpegImagePlugin.py) only looks into APPn,
    COM, DQT and SOF. APP1 and most of its kin hold what has a structure of its own: EXIF, MPO.
    """
    header = None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], data[at + 2] << 8 | data[at + 3]
        body = data[at + 4 : at + 2 + length]
        match marker:
            case 0xDA:
                return header
            case 0xC0 | 0xC1 | 0xC2 if header is None and _is_usual_frame(body):
                size = (body[3] << 8 | body[4], body[1] << 8 | body[2])
                header = JpegHeader("RGB" if body[5] == 3 else "L", *size)
            case 0xE0 if bytes(body[:5]) == b"JFIF\0" and len(body) >= 14:
                pass
            case 0xE2 if bytes(body[:12]) == b"ICC_PROFILE\0" and len(body) >= 14:
                pass
            case 0xDB if len(body) in (65, 130, 195) and not any(q >> 4 for q in body[::65]):
                pass
            case 0xC4 | 0xDD | 0xFE:
                pass
            case _:
                return None
        at += 2 + length
    return None


def _is_usual_frame(body: memoryview) -> bool:
    """8 bits, one or three components, and a size."""
    return (
        len(body) in (9, 15)
        and body[0] == 8
        and len(body) == 6 + 3 * body[5]
        and all(body[high] or body[high + 1] for high in (1, 3))
    )


@cache
def simplejpeg_agrees() -> bool:
    """Whether simplejpeg gives this Pillow's pixels for a few tiny files; it takes a millisecond.

    Both bring libjpeg-turbo as a rule, but a Pillow may be built with another libjpeg, and two
    versions of one may differ.
    """
    values = np.arange(37 * 29 * 3) * 163 % 251
    picture = Image.fromarray(values.astype(np.uint8).reshape(29, 37, 3))
    for mode, subsampling in (("RGB", 0), ("RGB", 1), ("RGB", 2), ("L", 0)):
        file = io.BytesIO()
        picture.convert(mode).save(file, "JPEG", subsampling=subsampling)
        pixels = JpegDecoder().decode(memoryview(file.getvalue()), 37, 29)
        if pixels is None or not np.array_equal(
            pixels, np.asarray(Image.open(file).convert("RGB"))
        ):
            return False
    return True


class JpegDecoder:
    """Decodes into memory that is used again and again: its pages are there already."""

    def __init__(self) -> None:
        self._scratch = Scratch()

    def decode(self, data: memoryview, width: int, height: int) -> NDArray[np.uint8] | None:
        """The RGB pixels [height, width, 3] of a JPEG file; valid until the next call.

        None where Pillow must decide: other colours than YCbCr and gray, and everything that
        libjpeg-turbo so much as warns of; Pillow decodes some of those and refuses others.
        """
        try:
            found_height, found_width, colours, _ = simplejpeg.decode_jpeg_header(data)
            if (found_width, found_height) != (width, height) or colours not in ("YCbCr", "Gray"):
                return None
            buffer = self._scratch.take(height * width * 3)
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", buffer=buffer)
        except ValueError:
            return None
        return pixels
