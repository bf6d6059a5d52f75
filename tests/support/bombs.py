"""Small files that claim to be, or would become, enormous; each with what it must come to."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, features

SIDE = 13377
"""A square of this side is just within the default --max-pixels."""

FLAT = 4000
"""A side for what is converted, in memory that is proportional to its pixels."""

_SWELLING = zlib.compress(bytes(256 << 20), 1)
"""1 MB that becomes 256."""

_MEGABYTE = zlib.compress(bytes(1_000_000))

_GIANT_TILE = (
    *((259, 3, 1, 5), (322, 4, 1, 2**30), (323, 4, 1, 2**30), (324, 4, 1, 8), (325, 4, 1, 64)),
)


def _saved(name: str, size: tuple[int, int] = (16, 16), **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0]), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, name, **options)
    return file.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, more: bytes = b"", pixels: bytes = b"") -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = _chunk(b"IDAT", pixels or zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + header + more + data + _chunk(b"IEND", b"")


def _blank(mode: str, width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


def _tiff(width: int, height: int, *tags: tuple[int, int, int, int], then: int = 0) -> bytes:
    """A gray TIFF file of 64 bytes of pixels; `tags` (id, type, count, value) override."""
    entries = {
        tag[0]: tag
        for tag in (
            *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1)),
            *((262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 64)),
            *tags,
        )
    }
    ifd = b"".join(struct.pack("<HHII", *entries[tag]) for tag in sorted(entries))
    return struct.pack("<2sHI64xH", b"II", 42, 72, len(entries)) + ifd + struct.pack("<I", then)


def _riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _u24(number: int) -> bytes:
    return number.to_bytes(3, "little")


def _webp(width: int, height: int) -> bytes:
    """An animation of one small frame on a canvas of this size."""
    frame = _saved("WEBP", lossless=True)[12:]
    place = bytes(6) + _u24(15) + _u24(15) + _u24(100) + b"\0"
    return _riff(
        (b"VP8X", b"\2\0\0\0" + _u24(width - 1) + _u24(height - 1)),
        (b"ANIM", bytes(6)),
        (b"ANMF", place + frame),
    )


def _gif(width: int, height: int, frames: int = 1) -> bytes:
    """A logical screen of this size with small frames on it."""
    content = _saved("GIF")
    start = 13 + 3 * (2 << (content[10] & 7))
    screen = content[:6] + struct.pack("<HH", width, height) + content[10:start]
    return screen + content[start:-1] * frames + b";"


def _bmp(width: int, height: int, runs: bytes = b"") -> bytes:
    """Run-length encoded, if there are runs."""
    bits, compression, palette = (8, 1, bytes(1024)) if runs else (24, 0, b"")
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + len(palette)) + info + palette + runs


def _ico(picture: bytes, count: int = 1) -> bytes:
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(picture), 6 + 16 * count)
    return struct.pack("<HHH", 0, 1, count) + entry * count + picture


def _jpeg(width: int, height: int, *, progressive: bool = False) -> bytes:
    content = _saved("JPEG", progressive=progressive)
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


def _scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG file of which the last scan comes again and again."""
    content = _jpeg(width, height, progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * count + content[-2:]


def _jpeg2000(width: int, height: int, tile: int) -> bytes:
    content = _saved("JPEG2000", no_jp2=True)
    at = content.index(b"\xff\x51") + 6
    size = struct.pack(">IIIIIIII", width, height, 0, 0, tile, tile, 0, 0)
    return content[:at] + size + content[at + 32 :]


def _avif(width: int, height: int) -> bytes:
    content = _saved("AVIF")
    at = content.index(b"ispe") + 8
    return content[:at] + struct.pack(">II", width, height) + content[at + 8 :]


def _psd(width: int, height: int, channels: int = 3, resources: int = 0) -> bytes:
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, channels, height, width, 8, 3)
    return header + struct.pack(">IIIH", 0, resources, 0, 0) + bytes(100)


def _dds(width: int, height: int, flags: int, fourcc: bytes = bytes(4)) -> bytes:
    masks = (0xFF, 0xFF00, 0xFF0000, 0)
    parts = (124, 0x1007, height, width, 0, 0, 0, 32, flags, fourcc, 32, *masks, 0x1000)
    return b"DDS " + struct.pack("<7I44xII4s6I16x", *parts) + bytes(64)


def _tga(width: int, height: int) -> bytes:
    return struct.pack("<BBB9xHHBB", 0, 0, 10, width, height, 24, 0) + b"\xff\1\2\3" * 9


def _pcx(width: int, height: int) -> bytes:
    extent = (0, 0, width - 1, height - 1)
    return struct.pack("<BBBB4H52xBBH58x", 10, 5, 1, 8, *extent, 0, 3, width) + b"\xff\1" * 9


def _sgi(width: int, height: int, run_length: int) -> bytes:
    header = struct.pack(">HBBHHHH", 474, run_length, 1, 3, width, height, 3)
    return header.ljust(512, b"\0") + bytes(100)


def _qoi(width: int, height: int) -> bytes:
    return b"qoif" + struct.pack(">IIBB", width, height, 3, 0) + b"\xfd" * 99


def _ppm(magic: str, width: int, height: int) -> bytes:
    return f"{magic} {width} {height} 255\n".encode() + b"1 2 3 " * 9


_GIANT = 2**32 - 1

BOMBS = {
    "claims.png": ("too_large", _png(2**31 - 1, 2**31 - 1)),
    "limit.png": ("truncated", _png(SIDE, SIDE)),
    "rows.png": ("", _png(4, 4, pixels=_SWELLING)),
    "ztxt.png": ("corrupt", _png(4, 4, _chunk(b"zTXt", b"k\0\0" + _SWELLING))),
    "itxt.png": ("corrupt", _png(4, 4, _chunk(b"iTXt", b"k\0\1\0\0\0" + _SWELLING))),
    "iccp.png": ("corrupt", _png(4, 4, _chunk(b"iCCP", b"k\0\0" + _SWELLING))),
    "texts.png": ("corrupt", _png(4, 4, _chunk(b"zTXt", b"k\0\0" + _MEGABYTE) * 100)),
    "long.png": ("too_large", _png(1, 20_000_000)),
    "long-palette.png": ("", _blank("P", 2_000_000, 1)),
    "long-alpha.png": ("", _blank("RGBA", 3, 1_000_000)),
    "claims.tif": ("too_large", _tiff(_GIANT, _GIANT)),
    "limit.tif": ("truncated", _tiff(SIDE, SIDE)),
    "limit-lzw.tif": ("corrupt", _tiff(SIDE, SIDE, (259, 3, 1, 5))),
    "limit-deflate.tif": ("corrupt", _tiff(SIDE, SIDE, (259, 3, 1, 8))),
    "limit-jpeg.tif": ("corrupt", _tiff(SIDE, SIDE, (259, 3, 1, 7))),
    "tile.tif": ("corrupt", _tiff(8, 8, *_GIANT_TILE)),
    "loop.tif": ("", _tiff(8, 8, then=72)),
    "text-count.tif": ("", _tiff(8, 8, (270, 2, _GIANT, 0))),
    "strip-count.tif": ("corrupt", _tiff(8, 8, (273, 4, _GIANT, 0))),
    "samples.tif": ("corrupt", _tiff(8, 8, (277, 3, 1, 65535))),
    "claims.webp": ("too_large", _webp(1 << 24, 1 << 24)),
    "over.webp": ("too_large", _webp(SIDE + 1, SIDE)),
    "flat.webp": ("", _webp(FLAT, FLAT)),
    "claims.gif": ("too_large", _gif(65535, 65535)),
    "flat.gif": ("", _gif(SIDE, SIDE)),
    "frames.gif": ("", _gif(16, 16, 20_000)),
    "claims.bmp": ("too_large", _bmp(2**31 - 1, 2**31 - 1)),
    "limit.bmp": ("truncated", _bmp(SIDE, SIDE)),
    "deltas.bmp": ("", _bmp(FLAT, FLAT, b"\0\2\xff\xff" * 16)),
    "line-ends.bmp": ("", _bmp(1000, 1000, b"\1\1\0\0" * 1000)),
    "claims.ico": ("too_large", _ico(_png(100_000, 100_000))),
    "claims-bmp.ico": ("too_large", _ico(_bmp(100_000, 100_000)[14:])),
    "limit.ico": ("truncated", _ico(_png(SIDE, SIDE))),
    "entries.ico": ("", _ico(_saved("PNG"), 65535)),
    "claims.jpg": ("too_large", _jpeg(65500, 65500)),
    "flat.jpg": ("", _jpeg(FLAT, FLAT)),
    "scans.jpg": ("", _scans(1000, 1000, 500)),
    "claims.jp2": ("too_large", _jpeg2000(_GIANT, _GIANT, _GIANT)),
    "limit.jp2": ("corrupt", _jpeg2000(SIDE, SIDE, SIDE)),
    "tiles.jp2": ("", _jpeg2000(255, 255, 1)),
    "claims.psd": ("too_large", _psd(300_000, 300_000)),
    "limit.psd": ("truncated", _psd(SIDE, SIDE)),
    "channels.psd": ("truncated", _psd(16, 16, channels=65535)),
    "resources.psd": ("corrupt", _psd(16, 16, resources=_GIANT)),
    "claims.dds": ("too_large", _dds(_GIANT, _GIANT, 0x40)),
    "limit.dds": ("truncated", _dds(SIDE, SIDE, 0x40)),
    "limit-dxt1.dds": ("truncated", _dds(SIDE, SIDE, 4, b"DXT1")),
    "claims.tga": ("too_large", _tga(65535, 65535)),
    "limit.tga": ("truncated", _tga(SIDE, SIDE)),
    "claims.pcx": ("too_large", _pcx(65535, 65535)),
    "limit.pcx": ("truncated", _pcx(SIDE, SIDE)),
    "claims.sgi": ("too_large", _sgi(65535, 65535, 0)),
    "limit.sgi": ("truncated", _sgi(SIDE, SIDE, 0)),
    "limit-run-length.sgi": ("corrupt", _sgi(SIDE, SIDE, 1)),
    "claims.qoi": ("too_large", _qoi(_GIANT, _GIANT)),
    "limit.qoi": ("truncated", _qoi(SIDE, SIDE)),
    "claims.ppm": ("too_large", _ppm("P6", 99_999_999, 99_999_999)),
    "limit.ppm": ("truncated", _ppm("P6", SIDE, SIDE)),
    "limit-plain.ppm": ("truncated", _ppm("P3", SIDE, SIDE)),
    "comments.ppm": ("truncated", _ppm("P3", 99, 99) + b"#\n" * 50_000),
}
"""Name, reason of the failure (none: it is converted), and content."""

if features.check("avif"):
    BOMBS["claims.avif"] = "corrupt", _avif(_GIANT, _GIANT)
    BOMBS["flat.avif"] = "", _avif(FLAT, FLAT)
