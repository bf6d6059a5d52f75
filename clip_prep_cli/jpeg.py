"""JPEG decoding without Pillow's detours, for the files where it gives the same pixels."""

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

_KEPT_BYTES = 1 << 26


class JpegDecoder:
    """Decodes into one buffer that is used again and again: its pages are there already."""

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)

    def decode(self, data: bytes, header: Image.Image) -> NDArray[np.uint8] | None:
        """The RGB pixels [h, w, 3] of the JPEG file `data` that Pillow opened as `header`.

        They are valid until the next call. None where Pillow must decide: other files than YCbCr
        and gray JPEGs, and everything that libjpeg-turbo so much as warns of; Pillow decodes some
        of those and refuses others.
        """
        if header.format not in ("JPEG", "MPO") or header.mode not in ("RGB", "L"):
            return None
        try:
            height, width, colour_space, _ = simplejpeg.decode_jpeg_header(data)
            if (width, height) != header.size or colour_space not in ("YCbCr", "Gray"):
                return None
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
                data, "RGB", buffer=self._space(height * width * 3)
            )
        except ValueError:
            return None
        return pixels

    def _space(self, size: int) -> NDArray[np.uint8]:
        if size > _KEPT_BYTES:  # a rare giant must not hold its memory for ever
            return np.empty(size, np.uint8)
        if size > self._buffer.size:
            self._buffer = np.empty(size, np.uint8)
        return self._buffer
