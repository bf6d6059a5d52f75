"""Measure the cost of archives: images per second by kind of archive.

    python benchmarks/archives.py [DIRECTORY] [IMAGES]

packs copies of the images below a directory into each kind of archive, and converts them from the
directory, from each archive, and after unpacking it. It also lists archives with many members.
"""

import gzip
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clip_prep_cli.sources.archives.archive import members_of

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = 600
MEMBERS = 100_000
REPEATS = 5
_UNPACK = {".tar": ("tar", "xf"), ".tar.gz": ("tar", "xzf"), ".zip": ("unzip", "-q")}
_KINDS = (".tar", ".tar.gz", ".tar.zst", ".zip", " deflated.zip")


def copies(source: Path, directory: Path, count: int) -> None:
    """Make `count` images, repeating the ones in `source`."""
    images = sorted(path for path in source.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    for number in range(count):
        path = directory / f"{number % 10}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(images[number % len(images)], path)


def pack(directory: Path, to: Path) -> None:
    """Pack the files in a directory into an archive of the kind that its name says."""
    to.parent.mkdir()
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    if to.suffix == ".zip":
        method = zipfile.ZIP_DEFLATED if "deflated" in to.name else zipfile.ZIP_STORED
        with zipfile.ZipFile(to, "w", method) as archive:
            for path in files:
                archive.write(path, path.relative_to(directory))
        return
    plain = to.parent / "plain"
    with tarfile.open(plain, "w") as tar:
        for path in files:
            tar.add(path, path.relative_to(directory))
    if to.suffix == ".gz":
        with open(to, "wb") as out:
            out.write(gzip.compress(plain.read_bytes(), 6))
        plain.unlink()
    elif to.suffix == ".zst":
        to.write_bytes(_zstd(plain.read_bytes()))
        plain.unlink()
    else:
        plain.rename(to)


def _zstd(data: bytes) -> bytes:
    from backports import zstd

    return zstd.compress(data)


def convert(source: Path, out: Path) -> float:
    """Convert, and return how many seconds that took, excluding start-up."""
    command = [sys.executable, "-m", "clip_prep_cli", "convert", "-m", "ViT-B/32", "--json"]
    done = subprocess.run(
        [*command, "--dtype", "uint8", str(source), "-o", str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    shutil.rmtree(out)
    seconds: float = json.loads(done.stdout)["seconds"]
    return seconds


def unpack_and_convert(archive: Path, kind: str, base: Path) -> float:
    """Unpack and convert, and return how many seconds both took."""
    unpacked = base / "unpacked"
    unpacked.mkdir()
    began = time.perf_counter()
    subprocess.run([*_UNPACK[kind], str(archive)], cwd=unpacked, check=True)
    seconds = time.perf_counter() - began + convert(unpacked, base / "out")
    shutil.rmtree(unpacked)
    return seconds


def listing(base: Path) -> dict[str, float]:
    """Microseconds per member of a large archive."""
    found = {}
    for kind in (".tar", ".zip"):
        path = base / f"many{kind}"
        if kind == ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                for number in range(MEMBERS):
                    archive.writestr(f"folder/some-photograph-{number:08}.jpg", b"")
        else:
            with tarfile.open(path, "w") as tar:
                for number in range(MEMBERS):
                    info = tarfile.TarInfo(f"folder/some-photograph-{number:08}.jpg")
                    tar.addfile(info, io.BytesIO())
        began = time.process_time()
        count = sum(1 for _ in members_of(str(path), 0))
        found[kind] = (time.process_time() - began) / count * 1e6
    return found


def main() -> None:
    """Measure and print."""
    source = Path(sys.argv[1] if len(sys.argv) > 1 else "sample_images")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else IMAGES
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        copies(source, base / "files", count)
        subjects: dict[str, Callable[[], float]] = {
            "directory": lambda: convert(base / "files", base / "out")
        }
        for kind in _KINDS:
            archive = base / kind.strip() / f"x{kind}"
            pack(base / "files", archive)
            subjects[kind] = partial(convert, archive, base / "out")
            if kind in _UNPACK:
                first = f"{kind}, unpacked first"
                subjects[first] = partial(unpack_and_convert, archive, kind, base)
        times: dict[str, list[float]] = {subject: [] for subject in subjects}
        for _ in range(REPEATS):
            for subject, call in subjects.items():
                times[subject].append(call())
        click.echo(f"{count:,} images, uint8 at 224 px, best of {REPEATS}")
        for subject, taken in times.items():
            share = min(times["directory"]) / min(taken)
            click.echo(f"{subject.strip():24}{count / min(taken):7.0f} images/s {share:6.2f}")
        click.echo(f"listing only, {MEMBERS:,} members")
        for kind, each in listing(base).items():
            click.echo(f"{kind:24}{each:7.1f} us of CPU per member")


if __name__ == "__main__":
    main()
