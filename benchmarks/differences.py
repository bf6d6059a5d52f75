"""Measure how far near misses of the reference are off, one change at a time.

    python benchmarks/differences.py [--n-px 224] FOLDER...

Each change is applied to every image in the folders that it can affect, with everything else as in
the reference, and the cropped 8-bit RGB pixels before ToTensor are compared. The steps after that
are compared for every byte that a pixel can be, which is exhaustive.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BICUBIC = Image.Resampling.BICUBIC
EXIF_ORIENTATION = 0x0112
MODES = ("L", "1", "P", "LA", "RGBA", "CMYK", "I;16")

Size = tuple[int, int]
Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
Resize = Callable[[Image.Image, Size], Image.Image]
Way = Callable[[str, int], Pixels | None]
"""From a file to its pixels [n_px, n_px, 3]; None: the change cannot affect this image."""


def truncated(size: Size, n_px: int) -> Size:
    """The reference's size of the resized image."""
    width, height = size
    if width <= height:
        return n_px, int(n_px * height / width)
    return int(n_px * width / height), n_px


def half_even(extra: int) -> int:
    """The reference's offset of the crop."""
    return round(extra / 2)


def plain(image: Image.Image, size: Size) -> Image.Image:
    """The reference's resize."""
    return image if image.size == size else image.resize(size, BICUBIC)


def crop(image: Image.Image, n_px: int, offset: Callable[[int], int] = half_even) -> Pixels:
    """The square in the middle, as RGB."""
    left, top = (offset(side - n_px) for side in image.size)
    return np.asarray(image.crop((left, top, left + n_px, top + n_px)).convert("RGB"))


def reference(path: str, n_px: int) -> Pixels:
    """Resize, CenterCrop and convert, as in clip/clip.py of openai/CLIP."""
    with Image.open(path) as image:
        return crop(plain(image, truncated(image.size, n_px)), n_px)


def resized_by(resize: Resize) -> Way:
    """The reference with another resize, for the modes that Pillow resizes band by band."""

    def way(path: str, n_px: int) -> Pixels | None:
        with Image.open(path) as image:
            size = truncated(image.size, n_px)
            if image.mode not in ("RGB", "L") or image.size == size:
                return None
            return crop(resize(image, size), n_px)

    return way


def rgb_first(mode: str) -> Way:
    """Convert images of `mode` to RGB before the resize instead of after the crop."""

    def way(path: str, n_px: int) -> Pixels | None:
        with Image.open(path) as image:
            if image.mode != mode:
                return None
            rgb = image.convert("RGB")
        return crop(plain(rgb, truncated(rgb.size, n_px)), n_px)

    return way


def crop_in_resize(path: str, n_px: int) -> Pixels | None:
    """Pass the crop to Pillow as `resize(box=...)`, which then has less to do."""
    with Image.open(path) as image:
        size = truncated(image.size, n_px)
        if image.size == size:
            return None
        scale = [a / b for a, b in zip(image.size, size, strict=True)]
        left, top = (half_even(side - n_px) for side in size)
        x, y = scale
        box = (left * x, top * y, (left + n_px) * x, (top + n_px) * y)
        return np.asarray(image.resize((n_px, n_px), BICUBIC, box=box).convert("RGB"))


def rounded_long_side(path: str, n_px: int) -> Pixels | None:
    """Round the long side instead of truncating it."""
    with Image.open(path) as image:
        short = min(image.size)
        width, height = (n_px if side == short else round(n_px * side / short)
                         for side in image.size)  # fmt: skip
        if (width, height) == truncated(image.size, n_px):
            return None
        return crop(plain(image, (width, height)), n_px)


def floored_offset(path: str, n_px: int) -> Pixels | None:
    """Halve the crop's offset with // instead of rounding it to even."""
    with Image.open(path) as image:
        size = truncated(image.size, n_px)
        if all((side - n_px) // 2 == half_even(side - n_px) for side in size):
            return None
        return crop(plain(image, size), n_px, lambda extra: extra // 2)


def with_draft(path: str, n_px: int) -> Pixels | None:
    """Let libjpeg decode to an eighth, a quarter or half of the size that is still enough."""
    with Image.open(path) as image:
        before, size = image.size, truncated(image.size, n_px)
        image.draft(None, size)
        if image.size == before:
            return None
        return crop(plain(image, size), n_px)


def upright(path: str, n_px: int) -> Pixels | None:
    """Turn the image as its EXIF orientation says."""
    with Image.open(path) as image:
        if image.getexif().get(EXIF_ORIENTATION) not in range(2, 9):
            return None
        turned = ImageOps.exif_transpose(image)
    return crop(plain(turned, truncated(turned.size, n_px)), n_px)


def fast_jpeg(path: str, n_px: int) -> Pixels | None:
    """Decode JPEG with libjpeg-turbo's fast DCT and fast upsampling."""
    from simplejpeg import decode_jpeg

    with Image.open(path) as image:
        if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L"):
            return None
    with open(path, "rb") as file:
        array = decode_jpeg(file.read(), "RGB", fastdct=True, fastupsample=True)
    decoded = Image.fromarray(array)
    return crop(plain(decoded, truncated(decoded.size, n_px)), n_px)


def vertical_first(image: Image.Image, size: Size) -> Image.Image:
    """Both passes as calls of their own, the vertical one first."""
    return image.resize((image.width, size[1]), BICUBIC).resize(size, BICUBIC)


def horizontal_first(image: Image.Image, size: Size) -> Image.Image:
    """Both passes as calls of their own, the horizontal one first."""
    return image.resize((size[0], image.height), BICUBIC).resize(size, BICUBIC)


def by_torch(image: Image.Image, size: Size) -> Image.Image:
    """Antialiased bicubic by torch on uint8: torchvision's way with tensors."""
    import torch
    from torch.nn.functional import interpolate

    pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
    resized = interpolate(pixels, size[::-1], mode="bicubic", antialias=True)[0]
    return Image.fromarray(resized.permute(1, 2, 0).contiguous().numpy())


WAYS: dict[str, Way] = {
    **{f"RGB first: mode {mode}": rgb_first(mode) for mode in MODES},
    "crop passed to `resize(box=...)`": crop_in_resize,
    "long side rounded, not truncated": rounded_long_side,
    "crop offset halved with `//`": floored_offset,
    "always the horizontal pass first": resized_by(horizontal_first),
    "always the vertical pass first": resized_by(vertical_first),
    "`reducing_gap=2.0`": resized_by(lambda i, size: i.resize(size, BICUBIC, reducing_gap=2.0)),
    "JPEG: `draft()`": with_draft,
    "JPEG: fast DCT and upsampling": fast_jpeg,
    "bilinear filter": resized_by(lambda i, size: i.resize(size, Image.Resampling.BILINEAR)),
    "Lanczos filter": resized_by(lambda i, size: i.resize(size, Image.Resampling.LANCZOS)),
    **({"torch's antialiased bicubic": resized_by(by_torch)} if find_spec("torch") else {}),
    "EXIF orientation applied": upright,
}


@dataclass
class Comparison:
    """One change over all images that it can affect."""

    images: int = 0
    unequal_images: int = 0
    values: int = 0
    unequal_values: int = 0
    largest: int = 0

    def add(self, found: Pixels, expected: Pixels) -> None:
        """Add one image."""
        off = np.abs(found.astype(np.int16) - expected)
        self.images += 1
        self.unequal_images += bool(off.any())
        self.values += off.size
        self.unequal_values += int(np.count_nonzero(off))
        self.largest = max(self.largest, int(off.max()))

    def row(self, name: str) -> str:
        """Its line of the table."""
        share = 100 * self.unequal_values / self.values if self.values else 0.0
        unequal = f"{self.unequal_images:,} of {self.images:,}"
        return f"| {name} | {unequal} | {share:.2f} % | {self.largest} |"


def files(folders: tuple[str, ...]) -> Iterator[str]:
    """Every file below the folders, sorted."""
    for folder in folders:
        for directory, below, names in os.walk(folder):
            below.sort()
            yield from (os.path.join(directory, name) for name in sorted(names))


def compare(paths: list[str], n_px: int) -> tuple[int, dict[str, Comparison]]:
    """How many files the reference can read, and how far off each change is."""
    found = {name: Comparison() for name in WAYS}
    count = 0
    for path in paths:
        try:
            expected = reference(path, n_px)
        except Exception:  # noqa: BLE001, S112 - Pillow raises anything for files it cannot read
            continue
        count += 1
        for name, way in WAYS.items():
            try:
                pixels = way(path, n_px)
            except ValueError:  # a mode or a JPEG that this way cannot handle
                continue
            if pixels is not None:
                found[name].add(pixels, expected)
    return count, found


def table(mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> Values:
    """What the reference makes of each byte in each channel: float32 [3, 256]."""
    means, stds = columns(mean), columns(std)
    return (LEVELS / np.float32(255) - means) / stds


def columns(per_channel: tuple[float, ...]) -> Values:
    """One float32 per channel, to be broadcast over the bytes."""
    return np.array(per_channel, np.float32)[:, None]


LEVELS = np.arange(256, dtype=np.float32)
TABLES: dict[str, Callable[[], Any]] = {
    "ImageNet's mean and std": lambda: table(*IMAGENET),
    "multiplied by 1/255 instead of divided by 255":
        lambda: (LEVELS * np.float32(1 / 255) - columns(MEAN)) / columns(STD),
    "one multiplication and one addition":
        lambda: LEVELS * (1 / (255 * columns(STD))) - columns(MEAN) / columns(STD),
    "computed in double, rounded once":
        lambda: ((LEVELS.astype(float) / 255 - np.array(MEAN)[:, None])
                 / np.array(STD)[:, None]).astype(np.float32),
}  # fmt: skip
"""What to_tensor and normalize can also be; each gives [3, 256] values."""


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--n-px", default=224, show_default=True)
def main(folders: tuple[str, ...], n_px: int) -> None:
    """Compare changes to the reference on the images in FOLDERS."""
    warnings.simplefilter("ignore")
    count, found = compare(list(files(folders)), n_px)
    click.echo(f"{count:,} images, {n_px} px\n")
    click.echo("| change | images that differ | values that differ | largest step |")
    click.echo("| --- | --- | --- | --- |")
    for name, comparison in found.items():
        if comparison.images:
            click.echo(comparison.row(name))
    click.echo("\n| change after the crop | values that differ, of 768 | largest difference |")
    click.echo("| --- | --- | --- |")
    for name, make in TABLES.items():
        off = np.abs(make() - table())
        click.echo(f"| {name} | {np.count_nonzero(off)} | {off.max():.2g} |")


if __name__ == "__main__":
    main()
