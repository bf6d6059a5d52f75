"""Measure the cost of latency: images per second from a local directory, and from S3 with a delay.

    python benchmarks/remote.py PHOTOS [--count N] [--delay MS]...

serves a tree of links to the photographs from memory (static_s3.py), with a delay of MS
milliseconds before each answer, and converts it: normally, and with one request at a time per
worker.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

_PER_FOLDER = 100
_ONE_BY_ONE = "import clip_prep_cli.storage.fetch; clip_prep_cli.storage.fetch._THREADS = 1\n"
_OPTIONS = ("-L", "--json", "-q", "--model", "ViT-B/32", "--dtype", "uint8")
_SERVER = Path(__file__).with_name("static_s3.py")


def make_tree(photos: Path, directory: Path, count: int) -> Path:
    """Make `count` links to the photographs, repeating them as needed."""
    files = sorted(path for path in photos.rglob("*") if path.is_file())
    for number, file in enumerate(islice(cycle(files), count)):
        folder = directory / f"{number // _PER_FOLDER:04}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06}{file.suffix}").symlink_to(file.resolve())
    return directory


@contextmanager
def served(directory: Path, delay: float) -> Iterator[dict[str, str]]:
    """Serve the directory as `s3://photos`; the environment to use it with."""
    command = (sys.executable, _SERVER, directory, "--delay", str(delay))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout  # noqa: S101 - it was asked for
        try:
            yield {
                "AWS_ENDPOINT_URL": server.stdout.readline().strip(),
                "AWS_ACCESS_KEY_ID": "none",
                "AWS_SECRET_ACCESS_KEY": "none",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            server.kill()


def rate(source: str, env: dict[str, str]) -> float:
    """Images per second of a whole run, including the start of the workers."""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            (sys.executable, "-m", "clip_prep_cli", "convert", source, "-o", out, *_OPTIONS),
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=True,
        )
    result = json.loads(done.stdout)
    return float(result["converted"] / result["seconds"])


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--delay", type=float, action="append")
    arguments = parser.parse_args()
    write = sys.stdout.write
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        tree = make_tree(arguments.photos, temporary / "tree", arguments.count)
        # With one request at a time, a fifth of them takes long enough.
        few = make_tree(arguments.photos, temporary / "few", arguments.count // 5)
        (temporary / "sitecustomize.py").write_text(_ONE_BY_ONE)
        slow = {"PYTHONPATH": os.pathsep.join([name, os.environ.get("PYTHONPATH", "")])}
        write("| source | images/s | one request at a time |\n| --- | --- | --- |\n")
        write(f"| local directory | {rate(str(tree), {}):.0f} | |\n")
        for delay in arguments.delay or (0, 20, 50, 100):
            with served(tree, delay) as env:
                ahead = rate("s3://photos", env)
            with served(few, delay) as env:
                single = rate("s3://photos", {**env, **slow})
            write(f"| S3, {delay:g} ms | {ahead:.0f} | {single:.0f} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
