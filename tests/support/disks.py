"""Small file systems of a test's own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(directory: Path, options: str) -> Iterator[None]:
    """Mount a file system in memory."""
    directory.mkdir()
    if not succeeds("mount", "-t", "tmpfs", "-o", options, "clip-prep-test", directory):
        pytest.skip("this user may not mount a file system")
    try:
        yield
    finally:
        assert succeeds("umount", directory)


def succeeds(*command: str | Path) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
