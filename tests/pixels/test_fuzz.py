"""Damaged files of every format through the real command: rows as by the reference, or failures."""

import io
import random
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image, features

from clip_prep_cli.errors import REASONS
from clip_prep_cli.pixels.formats import FORMATS
from tests.support.command import convert, failed, paths, rows
from tests.support.images import make_image, saved
from tests.support.oracle import expected

MAX_PIXELS = 4_000_000
MAX_ASPECT = 300
"""Of what is compared: the reference makes the whole resized image, however long."""

COPIES = 20
"""Damaged ones of each intact file."""


def picture(kind: str = "RGB", size: tuple[int, int] = (29, 21)) -> Image.Image:
    """Noise."""
    return make_image(kind, size, 0)


def psd(compression: int) -> bytes:
    """A Photoshop file of one gray row, raw or run-length encoded; Pillow cannot write any."""
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 1, 1, 5, 8, 1) + bytes(12)
    pixels = b"\0\6\4hello" if compression else b"hello"
    return header + struct.pack(">H", compression) + pixels


def run_length_bmp() -> bytes:
    """A run-length encoded Windows bitmap, which Pillow does not write either."""
    info = struct.pack("<IiiHHIIiiII", 40, 6, 2, 1, 8, 1, 0, 0, 0, 0, 0)
    pixels = b"\6\1\0\0\2\1\0\4\1\2\3\4\0\1"
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + info + bytes(range(256)) * 4 + pixels


def run_length_sgi() -> bytes:
    """A run-length encoded SGI image of two equal rows."""
    header = struct.pack(">HBBHHHH", 474, 1, 1, 2, 6, 2, 1).ljust(512, b"\0")
    return header + struct.pack(">IIII", 528, 528, 8, 8) + b"\x83\1\2\3\3\x09\0\0"


INTACT = {
    "jpeg": saved(picture(), "JPEG"),
    "jpeg-progressive": saved(picture(), "JPEG", progressive=True, subsampling="4:2:0"),
    "jpeg-gray": saved(picture("L"), "JPEG"),
    "jpeg-cmyk": saved(picture("CMYK"), "JPEG"),
    "mpo": saved(picture(), "MPO", save_all=True, append_images=[picture()]),
    "png": saved(picture("RGBA"), "PNG"),
    "png-palette": saved(picture("P;tRNS"), "PNG"),
    "png-16": saved(picture("I;16"), "PNG"),
    "webp": saved(picture(), "WEBP"),
    "webp-lossless": saved(picture("RGBA"), "WEBP", lossless=True),
    "webp-animated": saved(picture(), "WEBP", save_all=True, append_images=[picture("L")]),
    "gif": saved(picture("P"), "GIF"),
    "gif-animated": saved(picture("P"), "GIF", save_all=True, append_images=[picture("L")]),
    "bmp": saved(picture(), "BMP"),
    "bmp-palette": saved(picture("P"), "BMP"),
    "bmp-run-length": run_length_bmp(),
    "tiff": saved(picture(), "TIFF"),
    "tiff-lzw": saved(picture("CMYK"), "TIFF", compression="tiff_lzw"),
    "tiff-deflate": saved(picture("I;16"), "TIFF", compression="tiff_adobe_deflate"),
    "tiff-jpeg": saved(picture(), "TIFF", compression="jpeg"),
    "tiff-fax": saved(picture("1"), "TIFF", compression="group4"),
    "jp2": saved(picture(), "JPEG2000"),
    "j2k": saved(picture("L"), "JPEG2000", no_jp2=True),
    "ppm": saved(picture(), "PPM"),
    "pgm-16": saved(picture("I;16"), "PPM"),
    "ppm-plain": b"P3 2 2 9 1 2 3 4 5 6 7 8 9 0 1 2\n",
    "ico": saved(picture("RGBA", (32, 32)), "ICO"),
    "ico-bmp": saved(picture("RGBA", (32, 32)), "ICO", bitmap_format="bmp"),
    "qoi": saved(picture(), "QOI"),
    "pcx": saved(picture(), "PCX"),
    "sgi": saved(picture(), "SGI"),
    "sgi-run-length": run_length_sgi(),
    "dds": saved(picture("RGBA"), "DDS"),
    "dds-dxt5": saved(picture("RGBA"), "DDS", pixel_format="DXT5"),
    "psd": psd(0),
    "psd-run-length": psd(1),
    "tga": saved(picture(), "TGA"),
    "tga-run-length": saved(picture("L"), "TGA", compression="tga_rle"),
    **({"avif": saved(picture(), "AVIF")} if features.check("avif") else {}),
}
"""A small file of every format, and of the kinds that have a decoder of their own."""


def span(rng: random.Random, data: bytes) -> tuple[int, int]:
    """Where a part of `data` begins and ends; most are short, and many in the header."""
    start = rng.randrange(rng.choice((min(64, len(data)), len(data))))
    return start, min(len(data), start + rng.choice((1, 2, 4, 16, 100)))


def damaged(rng: random.Random, data: bytes) -> bytes:
    """`data` after one to three accidents."""
    for _ in range(rng.randint(1, 3)):
        data = rng.choice(ACCIDENTS)(rng, data) or data
    return data


def flip(rng: random.Random, data: bytes) -> bytes:
    """A few bits."""
    flipped = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def overwrite(rng: random.Random, data: bytes) -> bytes:
    """A span of noise, or of another part of the file."""
    start, end = span(rng, data)
    other = rng.randrange(len(data))
    new = rng.choice((rng.randbytes(end - start), data[other : other + end - start]))
    return data[:start] + new + data[end:]


def exaggerate(rng: random.Random, data: bytes) -> bytes:
    """The least or the largest number, signed or not, in 1 to 4 bytes of the header."""
    size, at = rng.choice((1, 2, 4)), rng.randrange(min(64, len(data)))
    order: str = rng.choice(("little", "big"))
    most = 1 << 8 * size
    number = rng.choice((0, 1, most // 2 - 1, most // 2, most - 1, min(65500, most - 2)))
    new = struct.pack(("<" if order == "little" else ">") + {1: "B", 2: "H", 4: "I"}[size], number)
    return data[:at] + new + data[at + size :]


def cut(rng: random.Random, data: bytes) -> bytes:
    """The end is lost."""
    return data[: rng.randrange(len(data))]


def lose(rng: random.Random, data: bytes) -> bytes:
    """A span is lost."""
    start, end = span(rng, data)
    return data[:start] + data[end:]


def repeat(rng: random.Random, data: bytes) -> bytes:
    """A span comes again, there or elsewhere."""
    start, end = span(rng, data)
    at = rng.choice((end, rng.randrange(len(data))))
    return data[:at] + data[start:end] * rng.choice((1, 1, 50)) + data[at:]


ACCIDENTS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(flip, overwrite, exaggerate, cut, lose, repeat),
)


def as_by_the_reference(data: bytes, row: bytes | None) -> bool:
    """Whether `row` is what Pillow alone makes of a file; None: nothing, it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            too_long = max(image.size) > MAX_ASPECT * min(image.size)
            return too_long or expected(image, 224, "uint8") == row
        except Exception:
            return row is None


def forgiven(name: str, reason: str | None) -> bool:
    """Whether a failure is this package's own: a limit, or a TGA file that looks like a cursor."""
    return reason == "too_large" or (reason == "unsupported" and name.startswith("tga"))


def fuzz(directory: Path, seed: int, copies: int) -> dict[str, str]:
    """Convert intact and damaged files; where something is wrong, by name, and what became of it.

    The files stay in `directory`.
    """
    rng = random.Random(seed)  # noqa: S311
    source, out = directory / "in", directory / "out"
    source.mkdir()
    files = {f"{name}.jpg": content for name, content in INTACT.items()}
    for name, content in INTACT.items():
        files |= {f"{name}-{number:03}.jpg": damaged(rng, content) for number in range(copies)}
    for name, content in files.items():
        (source / name).write_bytes(content)
    options = ("--timeout", "20", "--max-pixels", str(MAX_PIXELS), "--max-failures", "100%")
    convert(source, out, *options)
    failures, made = failed(out), dict(zip(paths(out), rows(out), strict=True))
    assert sorted([*failures, *made]) == sorted(files)
    assert set(failures.values()) <= {*REASONS}
    assert {f"{name}.jpg" for name in INTACT} <= {*made}
    return {
        name: failures.get(name, "converted")
        for name, content in files.items()
        if failures.get(name) in ("timeout", "worker_died")
        or not (forgiven(name, failures.get(name)) or as_by_the_reference(content, made.get(name)))
    }


def test_damaged_files(tmp_path: Path) -> None:
    """Every damaged file gets the reference's row, or is a failure where the reference fails."""
    assert fuzz(tmp_path, seed=0, copies=COPIES) == {}
