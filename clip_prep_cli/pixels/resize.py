"""Resize and center crop, exactly as torchvision does it on a PIL image."""

from PIL import Image

from clip_prep_cli.pixels.geometry import geometry
from clip_prep_cli.pixels.resample import resample_crop

MAX_RESIZED_PIXELS = 1 << 24
"""Above this the resized image is never made, only its crop: 64 MiB at Pillow's 4 bytes."""


def resize_crop(image: Image.Image, n_px: int) -> Image.Image:
    """The `n_px` x `n_px` center of `image` after its short side was resized to `n_px`.

    The mode stays what it was (but see `resample_crop`): the reference converts to RGB only
    afterwards, which matters for palettes, alpha, CMYK and 16-bit images.
    """
    target = geometry(*image.size, n_px)
    size = (target.width, target.height)
    if image.size == size:
        return image.crop(target.box)
    if target.width * target.height > MAX_RESIZED_PIXELS:
        return resample_crop(image, target)
    return image.resize(size, Image.Resampling.BICUBIC).crop(target.box)
