"""Source images as they are now, whole and small, opened only as far as that is safe."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageDraw, ImageEnhance, ImageFile, ImageOps
from xxhash import xxh3_128_hexdigest

from clip_prep_cli.errors import Reason
from clip_prep_cli.pixels.decode import open_image, prepare_process, reason_of
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS, most_bytes
from clip_prep_cli.pixels.transforms import Transform
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.samples.records import Failure, Record
from clip_prep_cli.sources.files import files_of
from clip_prep_cli.sources.find_again import FoundSource
from clip_prep_cli.sources.reader import Reader

_NEVER_OPENED: tuple[Reason, ...] = ("timeout", "worker_died")
"""What did that to a worker would do it to this process."""

MOST_BYTES = most_bytes(DEFAULT_MAX_PIXELS)
"""No larger source is opened."""

_DIMMED = 0.3
_FRAME = (255, 255, 255)


class Originals:
    """Makes thumbnails of sources, as long as the rows of a transform.

    They are decoded in this process, so only files that a worker has survived are opened, and only
    if they are still what they were; damaged ones are decoded further here than there.
    """

    def __init__(self, transform: Transform, *, upright: bool) -> None:
        self._side = transform.side
        self._upright = upright
        self._reader = Reader(DEFAULT_MAX_PIXELS)
        prepare_process(DEFAULT_MAX_PIXELS, (transform,))

    def cut(self, source: str | Part | None, record: Record) -> Image.Image | str:
        """The source of a row, with what the crop cuts away dimmed; or why there is none."""
        if source is None:
            return "the source is missing"
        path = source.file if isinstance(source, Part) else source
        try:
            data, _ = self._reader.read(source)
            if xxh3_128_hexdigest(data) != record.xxh128:
                return "the source has changed"
            return _dim_cut(self._thumbnail(data))
        # Decoders raise whatever they like; one bad image must cost no more than itself.
        except Exception as error:  # noqa: BLE001
            missing = files_of(path).is_missing(path)
            return "the source is missing" if missing else reason_of(error)[1]

    def damaged(self, found: FoundSource[Failure]) -> Image.Image | None:
        """As much as can be decoded of a source that failed; None if that is nothing."""
        if found.key.reason in _NEVER_OPENED or found.source is None:
            return None
        try:
            data, mtime_ns = self._reader.read(found.source)
            now, then = (len(data), mtime_ns or found.mtime_ns), found.key.sample
            if now != (then.size, then.mtime_ns):
                return None
            # Pillow decodes damaged files as far as it can now, instead of raising.
            ImageFile.LOAD_TRUNCATED_IMAGES = True
            return self._thumbnail(data)
        except Exception:  # noqa: BLE001 - as above; why it failed is known
            return None
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False

    def _thumbnail(self, data: memoryview) -> Image.Image:
        """The whole first frame; upright if the set's images are."""
        image = open_image(data, DEFAULT_MAX_PIXELS)
        image.draft(None, (2 * self._side, 2 * self._side))  # decodes a JPEG no larger than that
        if self._upright:
            image = ImageOps.exif_transpose(image)
        scale = self._side / max(image.size)
        width, height = (max(1, round(length * scale)) for length in image.size)
        # RGB comes last, as in the reference: palettes and alpha look as they do to the model.
        return image.resize((width, height), Image.Resampling.BICUBIC).convert("RGB")


def _dim_cut(picture: Image.Image) -> Image.Image:
    """`picture` with all dimmed but the square in the middle, which the crop keeps."""
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    box = (left, top, left + side, top + side)
    dimmed = ImageEnhance.Brightness(picture).enhance(_DIMMED)
    frame = (left - 1, top - 1, left + side, top + side)  # for pictures that are dark themselves
    ImageDraw.Draw(dimmed).rectangle(frame, outline=_FRAME)
    dimmed.paste(picture.crop(box), box)
    return dimmed


@contextmanager
def libraries_silenced() -> Iterator[None]:
    """While this lasts, what the libraries inside Pillow have to say about a file is dropped.

    They write to the error output by its number, with whatever the file holds.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
