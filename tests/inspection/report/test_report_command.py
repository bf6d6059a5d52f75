"""`clip-prep report` beside its page: what it prints, and what it refuses to do."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("jinja2")

from tests.support.command import album, clip_prep, convert, customized


def test_what_it_prints(tmp_path: Path) -> None:
    """Where the page is, and how large; as JSON too."""
    convert(album(tmp_path / "in", 1), tmp_path / "out")
    path = tmp_path / "page.html"
    said = clip_prep("report", tmp_path / "out", "-o", path)
    assert said.stdout.startswith(f"Wrote {path} (")
    result = json.loads(clip_prep("report", tmp_path / "out", "-o", path, "--json").stdout)
    assert result == {"report": str(path), "bytes": path.stat().st_size}


def test_outputs_that_are_refused(tmp_path: Path) -> None:
    """In the set, no file, nowhere; nothing is touched."""
    out = tmp_path / "out"
    convert(album(tmp_path / "in", 1), out)
    os.mkfifo(tmp_path / "fifo")
    before = sorted(tmp_path.rglob("*"))
    for path, status, words in (
        (out / "report.html", 2, "is inside the set"),
        (out / "manifest.json", 2, "is inside the set"),
        (tmp_path / "fifo", 2, "not a regular file"),
        (tmp_path, 2, "is a directory"),
        (tmp_path / "none" / "report.html", 1, "Cannot write"),
    ):
        assert words in clip_prep("report", out, "-o", path, status=status).stderr
    assert sorted(tmp_path.rglob("*")) == before
    clip_prep("verify", out)


@pytest.mark.parametrize("name", ["manifest.json", "index/shard-000000.jsonl", "failures.jsonl"])
def test_damage(name: str, tmp_path: Path) -> None:
    """It is told, and the page that was there stays."""
    source, out, path = album(tmp_path / "in", 1), tmp_path / "out", tmp_path / "page.html"
    (source / "empty.jpg").touch()
    convert(source, out, status=3)
    clip_prep("report", out, "-o", path)
    before = path.read_bytes()
    content = bytearray((out / name).read_bytes())
    content[content.index(b"path" if name != "manifest.json" else b"roots") + 9] ^= 1
    (out / name).write_bytes(content)
    assert name in clip_prep("report", out, "-o", path, status=1).stderr
    assert path.read_bytes() == before


def test_damaged_rows(tmp_path: Path) -> None:
    """A picture is never of other bytes than those that were written."""
    out = tmp_path / "out"
    convert(album(tmp_path / "in", 1), out)
    with open(out / "224px" / "shard-000000.npy", "r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    said = clip_prep("report", out, "-o", tmp_path / "page.html", status=1).stderr
    assert "does not match its checksum" in said


@pytest.mark.slow
def test_without_the_extra(tmp_path: Path) -> None:
    """What is missing and how to get it; everything else works."""
    env = customized(tmp_path / "hook", "import sys; sys.modules['jinja2'] = None")
    convert(album(tmp_path / "in", 1), tmp_path / "out", env=env)
    path = tmp_path / "page.html"
    said = clip_prep("report", tmp_path / "out", "-o", path, status=1, env=env).stderr
    assert "needs jinja2" in said
    assert "pip install 'clip-prep-cli[report]'" in said
    assert not path.exists()
