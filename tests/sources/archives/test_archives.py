"""Archives as inputs of the real command: the bytes of the unpacked files, whatever is in them."""

import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.command import (
    album,
    clip_prep,
    convert,
    failed,
    paint,
    paths,
    read_index,
    read_lines,
    read_manifest,
    rows,
)
from tests.support.packing import KINDS, images, pack, packed, png, row, zip_bytes
from tests.support.sets import faults, live

pytestmark = pytest.mark.slow

OPTIONS = ("--shard-size", "8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of 20 images in two folders."""
    album(tmp_path / "plain/in/a", 12)
    (tmp_path / "plain/in/b").mkdir()
    for number in range(8):
        paint(tmp_path / f"plain/in/b/{number}.png", 50 + number, (30, 40))
    return tmp_path / "plain/in"


def summary(out: Path, strip: str) -> list[tuple[str, str, str]]:
    """Path below the archive, checksum of the source and of the row, in order."""
    indexes = sorted((out / "index").iterdir())
    lines = [line for index in indexes for line in read_lines(index)]
    return [
        (line["path"].removeprefix(strip), line["xxh128"], line["rows"]["224px"]) for line in lines
    ]


@pytest.mark.parametrize(
    ("kind", "workers"),
    [
        (".tar", "1"),
        (".tar", "3"),
        (".tar.gz", "2"),
        (".tgz", "1"),
        (".tar.zst", "2"),
        (".zip", "1"),
        ("stored.zip", "3"),
    ],
)
def test_the_same_rows_as_unpacked(kind: str, workers: str, folder: Path, tmp_path: Path) -> None:
    """Every kind of archive gives the rows of its files, in the order of its members."""
    convert(folder, tmp_path / "expected", *OPTIONS)
    archive = tmp_path / f"in/x{kind}"
    archive.parent.mkdir()
    if kind == "stored.zip":
        archive.write_bytes(zip_bytes(images(folder)))
    else:
        pack(archive, images(folder))
    convert(tmp_path / "in", tmp_path / "out", *OPTIONS, "--workers", workers)
    expected = summary(tmp_path / "expected", "")
    assert len(expected) == 20
    assert summary(tmp_path / "out", f"x{kind}/") == expected
    assert rows(tmp_path / "out") == rows(tmp_path / "expected")
    assert {"224px", "index", "manifest.json"} >= {
        path.name for path in (tmp_path / "out").iterdir() if path.name != "failures.jsonl"
    }
    times = {line["mtime_ns"] for line in read_index(tmp_path / "out", 0)}
    assert times == {archive.stat().st_mtime_ns}
    again = json.loads(convert(tmp_path / "in", tmp_path / "out", *OPTIONS, "--json").stdout)
    assert (again["converted"], again["unchanged"]) == (0, 20)
    checked = clip_prep("verify", tmp_path / "out", "--sources", "all").stdout
    assert "20 images, 20 equal" in checked


def test_webdataset(folder: Path, tmp_path: Path) -> None:
    """Of the files of a sample the images count; the others are counted as ignored."""
    members: dict[str, bytes] = {}
    for number, content in enumerate(images(folder).values()):
        members |= {
            f"{number:05}.png": content,
            f"{number:05}.json": b"{}",
            f"{number:05}.txt": b"a text",
            f"{number:05}.cls": b"1",
        }
    pack(tmp_path / "wds/00000.tar", members)
    done = convert(tmp_path / "wds", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["ignored"] == {".json": 20, ".txt": 20, ".cls": 20}
    assert paths(tmp_path / "out") == [f"00000.tar/{n:05}.png" for n in range(20)]
    convert(folder, tmp_path / "expected")
    assert rows(tmp_path / "out") == rows(tmp_path / "expected")


def test_an_archive_by_its_name(folder: Path, tmp_path: Path) -> None:
    """An archive that is named itself, also in a list, has the identity that a walk gives it."""
    archive = pack(tmp_path / "in/x.zip", images(folder))
    convert(archive, tmp_path / "out")
    assert read_manifest(tmp_path / "out")["roots"] == [str(tmp_path / "in")]
    assert paths(tmp_path / "out")[0] == "x.zip/a/0000.png"
    (tmp_path / "list").write_text(f"{archive}\n")
    done = clip_prep(
        *("convert", "-m", "ViT-B/32", "--dtype", "uint8", "-o", tmp_path / "out", "--json"),
        *("--files-from", tmp_path / "list", tmp_path / "in"),
    )
    assert json.loads(done.stdout)["unchanged"] == 20


DANGEROUS = (
    "/{outside}/secret.png",
    "../secret.png",
    "../../secret.png",
    "a/../../../secret.png",
    "a//b.png",
    "./c.png",
    ".././secret.png",
    "a\\..\\..\\secret.png",
    "C:\\secret.png",
    "caf\udce9.png",
    "new\nline.png",
    "\x1b[31mred.png",
    "x.tar/inner.png",
    "y" * 300 + ".png",
    "z/" * 200 + "deep.png",
)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_never_paths_on_disk(kind: str, tmp_path: Path) -> None:
    """Whatever members are called, they are read from the archive, and nothing else is touched."""
    outside = tmp_path / "outside"
    for place in (outside, tmp_path / "t", tmp_path, tmp_path / "t/in"):
        place.mkdir(exist_ok=True)
        paint(place / "secret.png", 99)
    names = [name.format(outside=str(outside).strip("/")) for name in DANGEROUS]
    if kind == ".zip":
        names = [name.encode(errors="replace").decode() for name in names]
    members = {name: png(number) for number, name in enumerate(names)}
    archive = pack(tmp_path / f"t/in/x{kind}", members)
    (tmp_path / "t/in/secret.png").unlink()
    before, out = tree(tmp_path), tmp_path / "t/out"
    convert(tmp_path / "t/in", out)
    assert rows(out) == [row(content) for content in members.values()]
    assert paths(out) == [f"x{kind}/{name.removeprefix('./')}" for name in names]
    assert json.loads(convert(tmp_path / "t/in", out, "--prune", "--json").stdout)["pruned"] == 0
    assert sources_of(out)["equal"] == len(names)
    clip_prep("preview", out, "--crop", "-o", out.parent / "out/../sheet.png")
    (out.parent / "sheet.png").unlink()
    # Where the archive was there is now a directory: `x.tar/../secret.png` would be a path.
    archive.unlink()
    archive.mkdir()
    said = sources_of(out)
    assert (said["equal"], said["changed"], len(said["gone"])) == (0, [], len(names))
    archive.rmdir()
    shutil.rmtree(out)
    del before[f"t/in/x{kind}"]
    assert tree(tmp_path) == before


def sources_of(out: Path) -> dict[str, Any]:
    """What `verify --sources all` says of the sources."""
    done = clip_prep("verify", out, "--sources", "all", "--json")
    found: dict[str, Any] = json.loads(done.stdout)["sources"]
    return found


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_what_is_passed_over(tmp_path: Path) -> None:
    """Links, devices, hidden members, members of a name that was there, and what is no image."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind in (
            ("d", tarfile.DIRTYPE),
            ("link.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
            ("disk.png", tarfile.BLKTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "d/a.png"
            tar.addfile(info)
        for number, name in enumerate(
            ("d/a.png", "__MACOSX/._a.png", ".git/b.png", "d/a.png", "./d/a.png", "x.tar", "no")
        ):
            info = tarfile.TarInfo(name)
            content = png(number)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.tar").write_bytes(buffer.getvalue())
    done = convert(tmp_path / "in", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["ignored"] == {
        "symlink": 1,
        "hard link": 1,
        "special file": 2,
        "hidden": 2,
        "repeated member": 2,
        ".tar": 1,
        "no suffix": 1,
    }
    assert rows(tmp_path / "out") == [row(png(0))]
    hidden = convert(tmp_path / "in", tmp_path / "hidden", "--hidden", "--json")
    assert json.loads(hidden.stdout)["converted"] == 3


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """Members that are packed in other ways are failures that say what to do; the rest is there."""
    (tmp_path / "in").mkdir()
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", png(0))
        archive.writestr("bzip2.png", png(1), zipfile.ZIP_BZIP2)
        archive.writestr("lzma.png", png(2), zipfile.ZIP_LZMA)
        archive.writestr("secret.png", png(3))
    data = bytearray(buffer.getvalue())
    entry = data.index(b"PK\x01\x02", data.rindex(b"lzma.png"))
    data[entry + 8] |= 1  # zipfile does not encrypt; the flag of the entry is what tells
    (tmp_path / "in/x.zip").write_bytes(data)
    done = convert(tmp_path / "in", tmp_path / "out", "--json", status=3)
    details = {each["path"]: each["detail"] for each in json.loads(done.stdout)["failures"]}
    assert set(failed(tmp_path / "out").values()) == {"unsupported"}
    assert set(details) == {f"x.zip/{name}.png" for name in ("bzip2", "lzma", "secret")}
    assert "bzip2 (method 12); repack the archive" in details["x.zip/bzip2.png"]
    assert "LZMA" in details["x.zip/lzma.png"]
    assert "encrypted" in details["x.zip/secret.png"]
    assert rows(tmp_path / "out") == [row(png(0))]


def test_sparse_members(tmp_path: Path) -> None:
    """GNU tar's sparse files are failures, in each of the ways in which it stores them."""
    hole = tmp_path / "hole.png"
    hole.write_bytes(png(1))
    os.truncate(hole, 1 << 20)
    (tmp_path / "z.png").write_bytes(png(2))
    for name, options in (("gnu", ()), *((v, (f"--sparse-version={v}",)) for v in ("0.1", "1.0"))):
        layout = ("--format=posix",) if options else ("--format=gnu",)
        (tmp_path / name).mkdir()
        tar = ["tar", "-C", str(tmp_path), "-S", *layout, *options, "-cf", f"{name}/x.tar"]
        subprocess.run([*tar, "hole.png", "z.png"], check=True, cwd=tmp_path)
        convert(tmp_path / name, tmp_path / f"out{name}", status=3)
        assert failed(tmp_path / f"out{name}") == {"x.tar/hole.png": "unsupported"}
        assert rows(tmp_path / f"out{name}") == [row(png(2))]


def test_what_is_no_archive(tmp_path: Path) -> None:
    """A file that only is called so is one failure; so called directories are directories."""
    (tmp_path / "in/dir.tar").mkdir(parents=True)
    (tmp_path / "in/dir.tar/a.png").write_bytes(png(1))
    for kind in KINDS:
        (tmp_path / f"in/empty{kind}").touch()
        (tmp_path / f"in/none{kind}").write_bytes(png(2) * 3)
        pack(tmp_path / f"in/void{kind}", {})
    convert(tmp_path / "in", tmp_path / "out", status=3)
    assert failed(tmp_path / "out") == {
        **{f"empty{kind}": "truncated" for kind in KINDS},
        **{f"none{kind}": "corrupt" for kind in KINDS},
    }
    assert paths(tmp_path / "out") == ["dir.tar/a.png"]
    assert sources_of(tmp_path / "out")["equal"] == 1
    again = json.loads(convert(tmp_path / "in", tmp_path / "out", "--json", status=3).stdout)
    assert (again["unchanged"], again["failed"]) == (1, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_was_packed_anew(kind: str, tmp_path: Path) -> None:
    """Members are converted again since its time is another; with --checksum what has changed."""
    members = {f"{n}.png": png(n) for n in range(6)}
    archive = pack(tmp_path / f"in/x{kind}", members)
    convert(tmp_path / "in", tmp_path / "out", *OPTIONS)
    shutil.copytree(tmp_path / "out", tmp_path / "by-time")
    changed = members["2.png"][:-20] + members["2.png"][-20:].swapcase()
    members |= {"2.png": changed, "9.png": png(9)}
    pack(archive, members)
    os.utime(archive, ns=(5, 5))
    for out, options, converted in (("out", ("--checksum",), 2), ("by-time", (), 7)):
        done = convert(tmp_path / "in", tmp_path / out, "--json", *OPTIONS, *options, status=3)
        assert json.loads(done.stdout)["converted"] + json.loads(done.stdout)["failed"] == converted


@pytest.mark.parametrize("kind", KINDS)
def test_other_content_of_the_same_sizes(kind: str, tmp_path: Path) -> None:
    """What --checksum has read of a compressed archive is not lost for those who convert it."""
    members = {f"{n}.png": png(n).ljust(4000, b"\0") for n in range(6)}
    archive = pack(tmp_path / f"x{kind}", members)
    convert(archive, tmp_path / "out", "--shard-size", "4")
    changed = {f"{n}.png": png(70 + n).ljust(4000, b"\0") for n in (1, 2, 5)}
    pack(archive, members | changed)
    options = ("--checksum", "--json", "--shard-size", "4")
    done = json.loads(convert(archive, tmp_path / "out", *options).stdout)
    assert (done["converted"], done["unchanged"]) == (3, 3)
    assert sources_of(tmp_path / "out")["equal"] == 6


@pytest.mark.parametrize("kind", KINDS)
def test_prune(kind: str, tmp_path: Path) -> None:
    """Members that a whole archive lacks, and those of one that is gone; of a damaged one, none."""
    members = {f"{n}.png": png(n) for n in range(4)}
    archive = pack(tmp_path / f"in/x{kind}", members)
    (tmp_path / "in/other.png").write_bytes(png(9))
    out = tmp_path / "out"
    convert(tmp_path / "in", out)

    def pruned(source: Path, status: int = 0) -> int:
        done = convert(source, out, "--prune", "--json", status=status)
        return int(json.loads(done.stdout)["pruned"])

    assert pruned(tmp_path / "in") == 0
    pack(archive, {name: members[name] for name in ("0.png", "3.png")})
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 4])
    assert pruned(tmp_path / "in", status=3) == 0
    archive.write_bytes(whole)
    assert pruned(archive) == 2
    archive.unlink()
    assert pruned(tmp_path / "in") == 2
    assert [path for _, path in live(out)] == ["other.png"]
    assert not faults(out)


def test_compact_keeps_the_order_of_archives(tmp_path: Path) -> None:
    """A set of archives that is compact is left alone; members are not sorted by name."""
    members = {name: png(n) for n, name in enumerate(("z.png", "a.png", "m.png"))}
    pack(tmp_path / "in/x.tar", members)
    convert(tmp_path / "in", tmp_path / "out", "--shard-size", "4")
    pack(tmp_path / "in/x.tar", {**members, "b.png": png(7), "q.png": png(8)})
    convert(tmp_path / "in", tmp_path / "out", "--checksum", "--shard-size", "4")
    convert(tmp_path / "in", tmp_path / "fresh", "--shard-size", "4")
    clip_prep("compact", tmp_path / "out")
    assert paths(tmp_path / "out") == paths(tmp_path / "fresh")
    assert rows(tmp_path / "out") == rows(tmp_path / "fresh")


def test_failures_are_shown(tmp_path: Path) -> None:
    """What can be decoded of a damaged member is on the sheet."""
    content = png(3, (200, 100))
    broken = {"a.png": png(1), "cut.png": content[: len(content) // 2]}
    for kind in KINDS:
        pack(tmp_path / f"in/x{kind}", broken)
    convert(tmp_path / "in", tmp_path / "out", status=3)
    assert set(failed(tmp_path / "out").values()) == {"truncated"}
    sheet = tmp_path / "sheet.png"
    clip_prep("preview", tmp_path / "out", "--failures", "-o", sheet)
    with Image.open(sheet) as picture:
        colours = len(set(picture.convert("RGB").get_flattened_data()))
    assert colours > 5000  # of noise; a sheet of empty cells has a few


def test_failures_are_reported(tmp_path: Path) -> None:
    """By their archive's name and their own."""
    pytest.importorskip("jinja2")
    pack(tmp_path / "in/x.tar.zst", {"a.png": png(1), "cut.png": png(3)[:100]})
    convert(tmp_path / "in", tmp_path / "out", status=3)
    clip_prep("report", tmp_path / "out", "-o", tmp_path / "page.html")
    assert "x.tar.zst/cut.png" in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_more_than_an_image_can_have(tmp_path: Path) -> None:
    """A member that is too large is refused before it is unpacked."""
    pack(tmp_path / "in/x.tgz", {"a.png": png(1), "big.png": bytes((1 << 28) + 1)})
    convert(tmp_path / "in", tmp_path / "out", "--max-pixels", "1000", status=3)
    assert failed(tmp_path / "out") == {"x.tgz/big.png": "too_large"}
    assert len(rows(tmp_path / "out")) == 1


def test_dry_run(folder: Path, tmp_path: Path) -> None:
    """A dry run counts what is in archives, and writes nothing."""
    for kind in KINDS:
        pack(tmp_path / f"in/x{kind}", images(folder))
    done = convert(tmp_path / "in", tmp_path / "out", "-n", "--json")
    assert json.loads(done.stdout)["planned"] == 80
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tar", ".tgz", "its content is gzip; its name should end in .tar.gz"),
        ("a.tar", ".zst", "its content is Zstandard; its name should end in .tar.zst"),
        ("a.tgz", ".tar", "its content is tar; its name should end in .tar"),
        ("a.tar.zst", ".zip", "its content is zip; its name should end in .zip"),
        ("a.zip", ".tgz", "its content is gzip"),
        ("a.tar.gz", "html", "its content is HTML or XML"),
    ],
)
def test_what_has_the_name_of_another(name: str, content: str, words: str, tmp_path: Path) -> None:
    """The failure says what the content is, and what its name should end in."""
    (tmp_path / "in").mkdir()
    html = b"\n<!DOCTYPE html><title>404</title>"
    data = html if content == "html" else packed(content, {"0.png": png(1)})
    (tmp_path / "in" / name).write_bytes(data)
    done = convert(tmp_path / "in", tmp_path / "out", status=3)
    assert words in done.stdout
    assert list(failed(tmp_path / "out")) == [name]


def test_nothing_but_a_damaged_archive(folder: Path, tmp_path: Path) -> None:
    """An archive that cannot be read is not called an image."""
    (folder / "x.tar").write_bytes(b"")
    convert(folder, tmp_path / "out", *OPTIONS, status=3)
    said = convert(folder, tmp_path / "out", *OPTIONS, status=3).stdout
    assert said.startswith("Converted nothing to 224px uint8 .npy in ")
    assert "none of the new files could be read.\nUnchanged: 20 images, already converted." in said
    assert "x.tar: truncated: the archive is empty" in said
