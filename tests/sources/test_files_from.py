"""`convert --files-from`: the set that a list of names makes."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.command import (
    SMALL,
    album,
    clip_prep,
    convert,
    failed,
    paint,
    paths,
    read_index,
    read_manifest,
)
from tests.support.listing import convert_listed, counts

pytestmark = pytest.mark.slow


def test_any_names(tmp_path: Path, out: Path) -> None:
    """With --null all that a file can be called comes through, whatever it is."""
    names = [b" a b \t.png", b"new\nline.png", b"-o.png", b"no utf-8 \xff.png", b"none"]
    for seed, name in enumerate(names):
        paint(tmp_path / "x.png", seed).rename(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    result = convert_listed(b"\0".join(names), out, "-0")
    assert counts(result) == (5, 0, 0)
    assert [os.fsencode(path) for path in paths(out)] == names
    again = convert_listed(b"\n".join(name for name in names if b"\n" not in name), out)
    assert counts(again) == (0, 4, 0)


@pytest.mark.usefixtures("source")
def test_rows_have_the_order_of_the_list(out: Path) -> None:
    """And the images the roots: here, or that of all."""
    names = f"in/0002.png\n{sys.prefix}/no.png\n\nin/0000.png\n{out.parent}/in/0003.png".encode()
    result = convert_listed(names, out, "--max-failures", "1")
    assert paths(out) == ["in/0002.png", "in/0000.png", "in/0003.png"]
    assert read_manifest(out)["roots"] == [str(out.parent), "/"]
    assert [(each["root"], each["reason"]) for each in result["failures"]] == [("/", "unreadable")]
    assert clip_prep("verify", out, "--sources", "all", "--json")


@pytest.mark.parametrize("by_name", [True, False])
def test_directory_first_or_list_first(by_name: bool, source: Path, out: Path) -> None:  # noqa: FBT001
    """An image is the same one by list and by input, whichever came first."""
    names = b"in/0001.png\nin\n" if by_name else b"./in/\n"
    convert(source, out)
    assert counts(convert_listed(names, out)) == (0, 4, 0)
    other = out.with_name("other")
    assert counts(convert_listed(names, other)) == (4, 0, 0)
    assert json.loads(convert(source, other, "--json").stdout)["unchanged"] == 4
    assert read_manifest(other)["roots"] == [str(out.parent)]


def test_inputs_and_a_list(source: Path, out: Path) -> None:
    """Inputs come first; what both name is converted once; only walks are filtered."""
    album(source / "more", 2)
    (source / "more/0000.png").rename(source / "more/x.dat")
    (source / "more/0001.png").rename(source / "more/y.png")
    names = b"in/0003.png\nin/more\nin/more/x.dat\nin/0000.png\nin/more/y.png\n"
    listing = ("--exclude", "0*", str(source / "0003.png"))
    result = convert_listed(names, out, *listing)
    assert counts(result) == (4, 0, 0)
    found = [f"{line['root']}:{line['path']}" for line in read_index(out, 0)]
    assert found == ["0:0003.png", "0:more/y.png", "0:more/x.dat", "0:0000.png"]


@pytest.mark.usefixtures("source")
def test_what_is_missing(out: Path) -> None:
    """It has failed; once it is there it is converted, and has not failed any more."""
    names = b"in/0000.png\nin/9.png\n/dev/null\nin/0001.png\n"
    result = convert_listed(names, out, status=3)
    assert counts(result) == (2, 0, 2)
    assert failed(out) == {"in/9.png": "unreadable", "dev/null": "unreadable"}
    paint(out.parent / "in/9.png", 9)
    assert counts(convert_listed(names[:21], out)) == (1, 1, 0)
    assert paths(out) == ["in/0000.png", "in/0001.png", "in/9.png"]


@pytest.mark.parametrize(
    ("names", "option"), [("", "--quiet"), ("\n\n", "--dry-run"), ("EMPTY\n", "--quiet")]
)
def test_nothing_listed(names: str, option: str, out: Path) -> None:
    """A list of nothing is an error in words, and leaves nothing."""
    empty = out.with_name("empty")
    empty.mkdir()
    (out.parent / "list").write_text(names.replace("EMPTY", str(empty)))
    listing = ("--files-from", out.parent / "list", option)
    done = clip_prep("convert", *SMALL, *listing, "-o", out, status=1)
    assert "contain no images" in done.stderr
    assert not done.stdout
    assert not out.exists()


@pytest.mark.parametrize(("name", "words"), [("no", "does not exist"), (".", "is a directory")])
def test_no_list(name: str, words: str, tmp_path: Path) -> None:
    """A list that is not there is wrong usage."""
    listing = ("--files-from", tmp_path / name)
    assert words in clip_prep("convert", *SMALL, *listing, "-o", tmp_path / "out", status=2).stderr


@pytest.mark.usefixtures("source")
def test_dry_run(out: Path) -> None:
    """It reads the list to its end, and makes nothing."""
    result = convert_listed(b"in/0001.png\nin\nin/0001.png", out, "--dry-run", "--shard-size", "3")
    assert (result["planned"], result["shards"], result["unchanged"]) == (4, 2, 0)
    assert not out.exists()


def test_the_output_below_a_listed_directory(source: Path, out: Path) -> None:
    """It is not walked; its files are not even counted as passed over, run after run."""
    for converted in (4, 0):
        result = convert_listed(b".", out)
        assert counts(result) == (converted, 0 if converted else 4, 0)
        assert result["ignored"] == {"output": 1}
    assert len(paths(out)) == len(os.listdir(source))


def test_prune(source: Path, out: Path) -> None:
    """Only below directories of the list; a name says nothing about its neighbours."""
    album(out.parent / "kept", 2)
    convert_listed(b"in\nkept\n", out)
    (source / "0000.png").unlink()
    (out.parent / "kept/0000.png").unlink()
    assert convert_listed(b"in/0001.png\nkept/0001.png\n", out, "--prune")["pruned"] == 0
    assert convert_listed(b"kept/0001.png\nin\n", out, "--prune")["pruned"] == 1
    assert convert_listed(b"kept/0000.png\n", out, "--prune", status=3)["pruned"] == 0


@pytest.mark.usefixtures("source")
def test_null_forgotten(out: Path) -> None:
    """Zero bytes in a line are told from a name, and the way out is."""
    (out.parent / "list").write_bytes(b"in/0000.png\0in/0001.png\0")
    listing = ("--files-from", out.parent / "list")
    assert "-0" in clip_prep("convert", *SMALL, *listing, "-o", out, status=1).stderr


@pytest.mark.usefixtures("source")
def test_windows_line_ends(out: Path) -> None:
    """They make every name another one; the failure says so."""
    convert_listed(b"in/0000.png\r\n", out, status=3)
    (line,) = (out / "failures.jsonl").read_text().splitlines()
    assert "a carriage return" in line


def test_null_without_a_list(source: Path, out: Path) -> None:
    """It would do nothing, so it is refused."""
    assert "-0 needs --files-from" in convert(source, out, "-0", status=2).stderr
