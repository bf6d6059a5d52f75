"""Archives for the tests, packed by the standard library."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from backports import zstd
from PIL import Image

from tests.support.oracle import expected

Members = Mapping[str, bytes]
"""Names and contents, in order."""

KINDS = (".tar", ".tgz", ".tar.zst", ".zip")


def images(directory: Path) -> dict[str, bytes]:
    """The files below a directory by their paths, in the order of a walk."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    names = sorted(str(path.relative_to(directory)) for path in files)
    names.sort(key=lambda name: name.encode().split(b"/"))
    return {name: (directory / name).read_bytes() for name in names}


def tar_bytes(members: Members, layout: int = tarfile.GNU_FORMAT) -> bytes:
    """A plain tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(members: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def pack(path: Path, members: Members) -> Path:
    """Make an archive of the kind that the file's name is of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(path.suffix.lower(), members))
    return path


def packed(suffix: str, members: Members) -> bytes:
    """An archive of the kind that names with this suffix are of."""
    if suffix == ".zip":
        return zip_bytes(members, zipfile.ZIP_DEFLATED)
    data = tar_bytes(members)
    if suffix in {".gz", ".tgz"}:
        return gzip.compress(data, mtime=0)
    return zstd.compress(data) if suffix == ".zst" else data


def png(seed: int, size: tuple[int, int] = (24, 16)) -> bytes:
    """A small image that is like that of no other seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def row(content: bytes) -> bytes:
    """The uint8 row at 224 pixels that an image file must become."""
    with Image.open(io.BytesIO(content)) as image:
        return expected(image, 224, "uint8")
