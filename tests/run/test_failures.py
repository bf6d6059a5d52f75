"""Files that cannot be converted: each costs itself alone, and is recorded with its reason."""

import io
import os
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from tests.support.command import (
    Env,
    album,
    clip_prep,
    convert,
    customized,
    environment,
    failed,
    hooked,
    paint,
    paths,
    read_index,
    read_lines,
    read_manifest,
    started,
    wait_until,
)

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


def noise(suffix: str) -> bytes:
    """An image file of a few thousand bytes."""
    file = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(file, suffix)
    return file.getvalue()


def png(width: int, height: int) -> bytes:
    """A whole PNG file that claims this size and has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bmp(width: int, height: int) -> bytes:
    """A BMP file that claims this size and has no pixels."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def damaged(content: bytes) -> bytes:
    """`content` with a part in its middle lost."""
    return content[:100] + bytes(50) + content[150:]


BROKEN = {
    "empty.jpg": ("not_an_image", b""),
    "text.jpg": ("not_an_image", b"This is no image.\n"),
    "zeros.jpg": ("not_an_image", bytes(1000)),
    "half.jpg": ("truncated", noise("JPEG")[:1500]),
    "half.png": ("truncated", noise("PNG")[:1500]),
    "damaged.png": ("corrupt", damaged(noise("PNG"))),
    "header.png": ("corrupt", noise("PNG")[:8] + b"what follows is no PNG"),
    "heic.jpg": ("unsupported", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)),
    "pdf.jpg": ("unsupported", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"),
    "eps.jpg": ("unsupported", EPS),
    "svg.png": ("unsupported", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "bomb.png": ("too_large", png(100_000, 100_000)),
    "bomb.bmp": ("too_large", bmp(100_000, 100_000)),
    "huge.png": ("too_large", noise("PNG")),
}
"""Name, reason and content of files; huge.png is 1 TB, most of it a hole."""

LIMITS = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set of a directory with two images and `BROKEN`, made with little memory."""
    source = album(tmp_path_factory.mktemp("broken") / "in", 2)
    for name, (_, content) in BROKEN.items():
        (source / name).write_bytes(content)
    os.truncate(source / "huge.png", 1 << 40)
    env = customized(source.parent / "limits", LIMITS)
    options = ("-m", "RN50x4", "--shard-size", "3")
    convert(source, source.parent / "out", *options, status=3, env={**env, "OMP_NUM_THREADS": "1"})
    return source.parent / "out"


def test_reasons(broken: Path) -> None:
    """Each kind of bad file has its reason of the closed list, and all else is converted."""
    assert failed(broken) == {name: reason for name, (reason, _) in BROKEN.items()}
    assert paths(broken) == ["0000.png", "0001.png"]
    assert read_manifest(broken)["counts"]["failures"] == len(BROKEN)


def test_bombs_are_refused_by_their_headers(broken: Path) -> None:
    """What a header or a file's size claims is refused before there is memory for it."""
    details = {line["path"]: line["detail"] for line in read_lines(broken / "failures.jsonl")}
    for name in ("bomb.png", "bomb.bmp"):
        assert details[name] == "10000000000 pixels exceed --max-pixels"
    assert details["huge.png"].startswith(f"{1 << 40} bytes")


def test_details(broken: Path) -> None:
    """Every failure has words, on one line, that do not differ from run to run."""
    for line in read_lines(broken / "failures.jsonl"):
        assert line["detail"].isprintable(), line
        assert "0x" not in line["detail"], line


def test_max_pixels(tmp_path: Path) -> None:
    """--max-pixels counts: as many pixels are taken, one more is too large."""
    source = album(tmp_path / "in", 1)
    convert(source, tmp_path / "out", "--max-pixels", "384")
    convert(source, tmp_path / "small", "--max-pixels", "383", status=3)
    assert failed(tmp_path / "small") == {"0000.png": "too_large"}


def test_no_program_is_started(tmp_path: Path) -> None:
    """EPS under the name of a JPEG never reaches Ghostscript."""
    (tmp_path / "eps.jpg").write_bytes(EPS)
    marker = tmp_path / "started"
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    (tmp_path / "gs").chmod(0o755)
    env: Env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    code = f"from PIL import Image; Image.open({str(tmp_path / 'eps.jpg')!r}).load()"
    control = [sys.executable, "-c", code]
    subprocess.run(control, env=environment(env), check=False, capture_output=True)
    assert marker.exists(), "Pillow does not start gs, so this test tells nothing"
    marker.unlink()
    clip_prep(
        *("convert", tmp_path / "eps.jpg", "-m", "RN50", "-o", tmp_path / "out"), env=env, status=3
    )
    assert failed(tmp_path / "out") == {"eps.jpg": "unsupported"}
    assert not marker.exists()


def test_links(tmp_path: Path) -> None:
    """A dangling link is passed over, or with -L a failure; the others lead to their images."""
    source = album(tmp_path / "in", 1)
    (source / "dangling.png").symlink_to("nowhere")
    (source / "loop.png").symlink_to("loop.png")
    (source / "up").symlink_to(source)
    paint(tmp_path / "other.png", 7)
    (source / "link.png").symlink_to(tmp_path / "other.png")
    done = convert(source, tmp_path / "out", "--json")
    assert '"symlink": 4' in done.stdout
    assert paths(tmp_path / "out") == ["0000.png"]
    convert(source, tmp_path / "followed", "-L", status=3)
    reasons = {"dangling.png": "unreadable", "loop.png": "unreadable"}
    assert failed(tmp_path / "followed") == reasons
    assert paths(tmp_path / "followed") == ["0000.png", "link.png"]


def test_special_files(tmp_path: Path) -> None:
    """FIFOs and sockets are passed over in a directory, and fail if they are named."""
    source = album(tmp_path / "in", 1)
    os.mkfifo(source / "fifo.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(source / "socket.png"))  # short enough for an address
        done = convert(source, tmp_path / "out", "--json")
    assert '"special file": 2' in done.stdout
    convert(source / "fifo.png", tmp_path / "named", status=3)
    assert failed(tmp_path / "named") == {"fifo.png": "unreadable"}


def test_directories_that_cannot_be_listed(tmp_path: Path) -> None:
    """A directory that cannot be listed, here for its long path, is a failure; the rest goes on."""
    source = album(tmp_path / "in", 1)
    at = os.open(source, os.O_RDONLY)
    for _ in range(17):
        os.mkdir("d" * 250, dir_fd=at)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    convert(source, tmp_path / "out", status=3)
    (line,) = read_lines(tmp_path / "out" / "failures.jsonl")
    assert (line["reason"], line["shard"]) == ("unreadable", None)
    assert line["detail"].startswith("cannot be listed")
    assert paths(tmp_path / "out") == ["0000.png"]
    shutil.rmtree(source)


def test_files_that_change_while_they_wait(tmp_path: Path) -> None:
    """A listed file that is gone or has become a FIFO is a failure; a new content is taken."""
    source = album(tmp_path / "in", 0)
    for seed, name in enumerate(("gate.png", "gone.png", "pipe.png", "renewed.png")):
        paint(source / name, seed)
    out = tmp_path / "out"
    env = hooked(tmp_path / "hook")
    with started(tmp_path / "log", source, out, "-j", "1", env=env) as run:
        wait_until(lambda: any(out.glob("224px/*.partial")))
        (source / "gone.png").unlink()
        (source / "pipe.png").unlink()
        os.mkfifo(source / "pipe.png")
        paint(source / "renewed.png", seed=9, size=(40, 40))
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(3)
    assert failed(out) == {"gone.png": "unreadable", "pipe.png": "unreadable"}
    assert paths(out) == ["gate.png", "renewed.png"]
    record, stat = read_index(out, 0)[1], (source / "renewed.png").stat()
    assert (record["bytes"], record["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns)
    assert '"unchanged": 2' in convert(source, out, "--json", status=0).stdout
