"""Formats that Pillow knows and this package does not open, under the names of images."""

import io
import struct
from pathlib import Path
from typing import NoReturn

import pytest
from PIL import Image, UnidentifiedImageError

from clip_prep_cli.errors import ImageError
from clip_prep_cli.pixels.decode import Decoder
from clip_prep_cli.pixels.formats import FORMATS
from tests.support.command import album, convert, failed, paths
from tests.support.images import make_image, saved

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

FOREIGN = {
    "BLP": b"BLP2",
    "BUFR": b"BUFR",
    "CUR": b"\0\0\2\0\1\0\x10\x10",
    "DCX": b"\xb1\x68\xde\x3a",
    "DIB": saved(make_image("RGB", (8, 8), 0), "DIB"),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n",
    "FITS": b"SIMPLE  =                    T",
    "FLI": b"\0\0\0\0\x11\xaf\1\0\x08\0\x08\0\x08\0\0\0",
    "FPX": OLE,
    "FTEX": b"FTEX",
    "GBR": b"\0\0\0\x20\0\0\0\2",
    "GRIB": b"GRIB\0\0\0\1",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "ICNS": saved(make_image("RGBA", (32, 32), 0), "ICNS"),
    "IM": b"Image type: L image\r\nImage size (x*y): 4*4\r\n".ljust(511, b"\0") + b"\x1a",
    "IMT": b"x\n*\nwidth 8\nheight 8\n\x0c",
    "IPTC": b"\x1c\x03\x3c\0\2\x01\0",
    "MCIDAS": b"\0\0\0\0\0\0\0\4",
    "MIC": OLE,
    "MPEG": b"\0\0\1\xb3\x01\x00\x10",
    "MSP": b"DanM",
    "PALM": saved(make_image("1", (8, 8), 0), "PALM"),
    "PCD": bytes(2048) + b"PCD_",
    "PDF": saved(make_image("RGB", (8, 8), 0), "PDF"),
    "PIXAR": b"\x80\xe8\0\0",
    "SPIDER": struct.pack(
        ">27f", 1, 8, *bytes(2), 1, *bytes(6), 8, 32, *bytes(8), 1024, 32, *bytes(4)
    ),
    "SUN": b"\x59\xa6\x6a\x95",
    "WMF": b"\xd7\xcd\xc6\x9a\0\0",
    "XBM": b"#define x_width 8\n#define x_height 8\nstatic char x_bits[] = {0};\n",
    "XPM": b"/* XPM */\n",
    "XVTHUMB": b"P7 332\n",
}
"""A file, or what it begins like, of every format of Pillow's that is not opened."""

CONTENTS = {name: content + bytes(100) for name, content in FOREIGN.items()}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats that are not opened and whose code has run all the same, as they come."""
    names: list[str] = []

    def noted(name: str) -> NoReturn:
        names.append(name)
        raise SyntaxError(name)

    Image.init()
    for name in {*Image.OPEN} - {*FORMATS}:
        accept = Image.OPEN[name][1]
        factory = lambda *_, name=name: noted(name)  # noqa: E731
        monkeypatch.setitem(Image.OPEN, name, (factory, accept))
    return names


def test_every_format_is_opened_or_tested_here() -> None:
    """A format that is new in Pillow needs a decision."""
    Image.init()
    assert {*Image.OPEN} <= {*FORMATS, *FOREIGN}


@pytest.mark.parametrize("name", FOREIGN)
def test_code_of_other_formats_never_runs(name: str, opened: list[str]) -> None:
    """Their files are refused before anything of Pillow's looks into them."""
    if name in Image.OPEN:
        with pytest.raises(UnidentifiedImageError):
            Image.open(io.BytesIO(CONTENTS[name]))
        assert name in opened, "Pillow does not take this for its format, so it tells nothing"
        opened.clear()
    with pytest.raises(ImageError) as caught:
        Decoder(1_000_000).decode(memoryview(CONTENTS[name]))
    assert opened == []
    assert caught.value.reason in ("unsupported", "not_an_image")


def test_they_cost_themselves_alone(tmp_path: Path) -> None:
    """Called like JPEG files in a directory they are failures, and the rest is converted."""
    source = album(tmp_path / "in", 2)
    for name, content in CONTENTS.items():
        (source / f"{name}.jpg").write_bytes(content)
    convert(source, tmp_path / "out", status=3)
    assert paths(tmp_path / "out") == ["0000.png", "0001.png"]
    reasons = failed(tmp_path / "out")
    assert sorted(reasons) == [f"{name}.jpg" for name in sorted(CONTENTS)]
    assert set(reasons.values()) == {"unsupported", "not_an_image"}
