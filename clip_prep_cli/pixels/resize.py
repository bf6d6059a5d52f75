"""Resize and center crop, exactly as torchvision does it on a Pillow image.

The reference resizes the whole image and then cuts the crop out. For a strip of 1 x 60000 pixels
that makes an image of 224 x 13440000 first; above a size, `resample_crop` computes the crop alone,
with the arithmetic, in the order, of `src/libImaging/Resample.c` (bicubic) and
`ImagingScaleAffine` in `src/libImaging/Geometry.c` (nearest) of Pillow, and so to the same bytes.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.pixels.geometry import Geometry

MAX_RESIZED_PIXELS = 1 << 24
"""Above this the resized image is never made, only its crop: 64 MiB at Pillow's 4 bytes."""

PRECISION_BITS = 32 - 8 - 2
"""Fixed-point bits of a coefficient for 8-bit pixels (`PRECISION_BITS` in Resample.c)."""

_PREMULTIPLIED = {"RGBA": "RGBa", "LA": "La"}


class Taps(NamedTuple):
    """The source pixels `start`, `start + 1`, ... that make one output pixel, and their weights."""

    start: int
    weights: NDArray[np.float64]


def resize_crop(image: Image.Image, target: Geometry) -> Image.Image:
    """The box of `image` that `target` has, after the resize.

    The mode stays what it was (but see `resample_crop`): the reference converts to RGB only
    afterwards, which matters for palettes, alpha, CMYK and 16-bit images.
    """
    if image.size == target.size:
        return image.crop(target.box)
    if target.width * target.height > MAX_RESIZED_PIXELS:
        return resample_crop(image, target)
    return image.resize(target.size, Image.Resampling.BICUBIC).crop(target.box)


def resample_crop(image: Image.Image, target: Geometry) -> Image.Image:
    """What `image.resize((w, h), BICUBIC).crop(box)` gives, without the image in between.

    Returns an RGB image for the modes `1` and `P`, which Pillow resizes with NEAREST, and an
    image of the same mode for all others.

    Raises:
        TypeError: NumPy has no array for the image's mode.
    """
    if image.mode in ("1", "P"):
        return _nearest(image.convert("RGB"), target)
    if image.mode in _PREMULTIPLIED:
        premultiplied = image.convert(_PREMULTIPLIED[image.mode])
        return resample_crop(premultiplied, target).convert(image.mode)
    if len(image.getbands()) > 1:
        return Image.merge(image.mode, [resample_crop(band, target) for band in image.split()])
    pixels = _resample(_array(image), target)
    return Image.frombytes(image.mode, target.crop_size, pixels.tobytes())


def _array(image: Image.Image) -> NDArray[Any]:
    """One band as [height, width]; 16-bit ones little-endian, which is how Pillow resizes them."""
    pixels = np.asarray(image)
    return pixels.view("<u2") if pixels.dtype.itemsize == 2 else pixels


def _resample(pixels: NDArray[Any], target: Geometry) -> NDArray[Any]:
    height, width = pixels.shape
    passes = [
        (1, width, target.width, range(target.left, target.right)),
        (0, height, target.height, range(target.top, target.bottom)),
    ]
    if target.vertical_first:
        passes.reverse()
    pending = []
    for axis, in_size, out_size, kept in passes:
        if in_size == out_size:  # Pillow skips such a pass instead of multiplying by one
            pixels = pixels.take(kept, axis)
            continue
        taps = _taps(in_size, out_size, kept)
        begin, end = taps[0].start, max(tap.start + len(tap.weights) for tap in taps)
        # The other pass must not be made of what this one does not look at.
        pixels = pixels[:, begin:end] if axis else pixels[begin:end]
        pending.append((axis, [Taps(tap.start - begin, tap.weights) for tap in taps]))
    for axis, taps in pending:
        pixels = _resample_axis(pixels, axis, taps)
    return pixels


def _bicubic(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """The cubic convolution kernel with a = -0.5 (`bicubic_filter` in Resample.c)."""
    a = -0.5
    x = np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _taps(in_size: int, out_size: int, kept: range) -> list[Taps]:
    """Weights in double for the output pixels `kept` (`precompute_coeffs`)."""
    scale = float(np.float32(in_size)) / out_size  # Pillow keeps the box in float32
    filter_scale = max(scale, 1.0)
    support = 2.0 * filter_scale
    inverse = 1.0 / filter_scale
    taps = []
    for index in kept:
        center = (index + 0.5) * scale
        start = max(int(center - support + 0.5), 0)
        stop = min(int(center + support + 0.5), in_size)
        weights = _bicubic((np.arange(start, stop) - center + 0.5) * inverse)
        # accumulate() adds in order, like the C loop; sum() would add in pairs.
        total = np.add.accumulate(weights)[-1]
        taps.append(Taps(start, weights / total if total != 0.0 else weights))
    return taps


def _resample_axis(pixels: NDArray[Any], axis: int, taps: list[Taps]) -> NDArray[Any]:
    """One pass: rows for axis 0, columns for axis 1; rounded to the dtype of `pixels`."""
    source = np.moveaxis(pixels, axis, 0)
    out = np.empty((len(taps), *source.shape[1:]), dtype=pixels.dtype)
    for index, (start, weights) in enumerate(taps):
        window = source[start : start + len(weights)]
        if pixels.dtype == np.uint8:
            out[index] = _weigh_bytes(window, weights)
        else:
            out[index] = _weigh_doubles(window, weights, pixels.dtype)
    return np.moveaxis(out, 0, axis)


def _weigh_bytes(window: NDArray[np.uint8], weights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Fixed point in int32, half added, clipped (`normalize_coeffs_8bpc`, `clip8`)."""
    scaled = weights * (1 << PRECISION_BITS)
    fixed = np.where(scaled < 0, scaled - 0.5, scaled + 0.5).astype(np.int32)
    total = np.full(window.shape[1:], 1 << (PRECISION_BITS - 1), dtype=np.int32)
    for pixel, weight in zip(window, fixed, strict=True):
        total += pixel.astype(np.int32) * weight
    return (total >> PRECISION_BITS).clip(0, 255).astype(np.uint8)


def _weigh_doubles(
    window: NDArray[Any], weights: NDArray[np.float64], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Double sums in order; integers round half away from zero, 16-bit ones are clipped."""
    total = np.zeros(window.shape[1:], dtype=np.float64)
    for pixel, weight in zip(window, weights, strict=True):
        total += pixel * weight
    if dtype.kind == "f":
        return total.astype(dtype)
    rounded = np.trunc(np.where(total >= 0.0, total + 0.5, total - 0.5))
    return rounded.clip(0, 65535).astype(dtype) if dtype.itemsize == 2 else rounded.astype(dtype)


def _nearest(image: Image.Image, target: Geometry) -> Image.Image:
    columns = _nearest_indices(image.width, target.width, range(target.left, target.right))
    rows = _nearest_indices(image.height, target.height, range(target.top, target.bottom))
    return Image.fromarray(np.asarray(image)[np.ix_(rows, columns)])


def _nearest_indices(in_size: int, out_size: int, wanted: range) -> NDArray[np.int64]:
    """The source positions of output pixels: a running sum of `scale`, as the C loop has it."""
    scale = float(np.float32(in_size)) / out_size
    position, done = scale * 0.5, 0
    kept: list[NDArray[np.float64]] = []
    while done < wanted.stop:
        steps = np.full(min(wanted.stop - done, 1 << 16) + 1, scale)
        steps[0] = position
        positions = np.add.accumulate(steps)
        if done + len(positions) > wanted.start + 1:  # an empty slice would keep its array alive
            kept.append(positions[max(wanted.start - done, 0) : -1])
        position, done = positions[-1], done + len(positions) - 1
    return np.concatenate(kept).astype(np.int64)
