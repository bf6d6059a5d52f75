"""Sets at URLs for the tests: file systems in memory, and copies of what is there."""

import uuid
from pathlib import Path

import pytest

pytest.importorskip("fsspec")

import fsspec


def memory_url() -> str:
    """A URL of a directory in the memory of this process that nobody else has."""
    return f"memory://{uuid.uuid4().hex}/set"


def download(url: str, directory: Path) -> Path:
    """Copy everything at a URL into a directory."""
    fs, top = fsspec.core.url_to_fs(url)
    for path in fs.find(top):
        file = directory / path.removeprefix(top).lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(fs.cat_file(path))
    return directory
