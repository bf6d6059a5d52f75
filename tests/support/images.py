"""Deterministic images of every mode, and what the package and the reference make of images."""

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.pixels.decode import Decoded, Decoder
from clip_prep_cli.pixels.formats import FORMATS
from clip_prep_cli.pixels.geometry import Geometry, geometry
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS
from clip_prep_cli.pixels.native import Kernel, kernels
from clip_prep_cli.pixels.pipeline import Pipeline, as_pixels
from clip_prep_cli.pixels.references import OPENAI, Reference
from clip_prep_cli.pixels.transforms import openai
from tests.support.oracle import expected

KINDS = (
    *("1", "L", "LA", "P", "P;tRNS", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"),
    *("I", "I;16", "I;16B", "F"),
)
"""Pillow's modes, and palette images with a transparent colour."""

WAYS = (None, *kernels())
"""Pillow, and the native kernel for each instruction set."""

SAMPLES = sorted(
    path.name
    for path in (Path(__file__).parents[2] / "sample_images").iterdir()
    if path.is_file() and path.suffix != ".py"
)
"""The names of the sample images."""

_BYTES_PER_PIXEL = {"LA": 2, "RGB": 3, "YCbCr": 3, "LAB": 3, "HSV": 3, "I;16": 2, "I;16B": 2}
_BYTES_PER_PIXEL |= {"L": 1, "P": 1, "RGBA": 4, "RGBX": 4, "CMYK": 4}


def make_image(kind: str, size: tuple[int, int], seed: int) -> Image.Image:
    """Noise of one of `KINDS`: the same for the same arguments.

    Every other seed makes noise of the extremes alone, where bicubic sums leave the range.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    mode = kind.partition(";tRNS")[0]
    if mode == "1":
        return Image.frombytes("1", size, rng.bytes((width + 7) // 8 * height))
    if mode == "I":
        return Image.fromarray(rng.integers(-1000, 70000, (height, width), dtype=np.int32))
    if mode == "F":
        return Image.fromarray(rng.normal(128, 200, (height, width)).astype(np.float32))
    levels = rng.integers(0, 256, width * height * _BYTES_PER_PIXEL[mode], dtype=np.uint8)
    if seed % 2 and mode != "P":
        levels = np.where(levels < 128, 0, 255).astype(np.uint8)
    image = Image.frombytes(mode, size, levels.tobytes())
    if mode == "P":
        image.putpalette(rng.bytes(768))
    if kind == "P;tRNS":
        image.info["transparency"] = int(rng.integers(256))
    return image


def shapes_around(n_px: int) -> Iterator[tuple[int, int]]:
    """The sizes at which the transform for `n_px` changes its ways."""
    yield from ((1, 1), (1, 37), (37, 1), (n_px - 1, n_px - 1), (n_px + 1, n_px + 1))
    yield (n_px, n_px)
    for long in (n_px + 1, n_px + 2, n_px + 3, 2 * n_px + 7):  # odd and even margins
        yield from ((n_px, long), (long, n_px), (n_px - 1, long), (long, n_px - 1))
    yield from ((n_px // 3, n_px), (n_px, n_px // 3))
    yield from ((n_px + 9, 3 * n_px), (3 * n_px, n_px + 9))  # the first: vertical pass first


def saved(image: Image.Image, name: str, **options: object) -> bytes:
    """The bytes of `image` in a file of the format `name`."""
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def decoded(data: bytes, exif: str = "ignore") -> Decoded:
    """What a worker makes of the bytes of a file."""
    return Decoder(DEFAULT_MAX_PIXELS, exif).decode(memoryview(data))


def converted(
    pixels: Image.Image | NDArray[np.uint8],
    n_px: int,
    dtype: str = "float32",
    kernel: Kernel | None = None,
) -> bytes:
    """The bytes of the row that the package makes of an image or of RGB pixels."""
    return by_reference(OPENAI, pixels, Pipeline(openai(n_px), dtype, OPENAI, kernel))


def by_reference(
    reference: Reference, pixels: Image.Image | NDArray[np.uint8], pipeline: Pipeline
) -> bytes:
    """The bytes of the row that a pipeline makes of an image or of RGB pixels."""
    out = np.empty(pipeline.shape, pipeline.table.dtype)
    if isinstance(pixels, Image.Image):
        pixels = as_pixels(pixels, reference)
    pipeline.fill(pixels, out)
    return out.tobytes()


def target_of(size: tuple[int, int], n_px: int) -> Geometry:
    """How OpenAI's transform to `n_px` resizes and crops an image of that size."""
    return geometry(*size, openai(n_px), OPENAI)


def ours_and_theirs(data: bytes, n_px: int = 24, kernel: Kernel | None = None) -> tuple[Any, Any]:
    """What a file says it is and the row it becomes: here, and by the reference; None: it fails."""

    def ours() -> tuple[object, ...]:
        image = decoded(data)
        return *image[:4], converted(image.pixels, n_px, kernel=kernel)

    def theirs() -> tuple[object, ...]:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        return image.format, image.mode, *image.size, expected(image, n_px)

    return _outcome(ours), _outcome(theirs)


def _outcome(make: Callable[[], object]) -> object:
    """What `make` returns, or None if it fails; warnings are not failures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return make()
        except Exception:
            return None
