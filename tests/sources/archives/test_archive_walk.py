"""The walk through archives: which members are samples, and what damage leaves of them."""

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import Part, Streamed
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.samples.roots import Roots
from clip_prep_cli.sources.archive_walk import samples_in
from clip_prep_cli.sources.archives import archive as archive_module
from clip_prep_cli.sources.archives.archive import split
from clip_prep_cli.sources.archives.spool import Spool
from clip_prep_cli.sources.archives.streams import RandomAccess
from clip_prep_cli.sources.files import LOCAL, Waiting, open_file
from clip_prep_cli.sources.inputs import InputSamples
from clip_prep_cli.sources.scope import InputRequest, Scope
from clip_prep_cli.sources.selection import Selection, Sieve
from tests.support.packing import KINDS, Members, pack, packed, zip_bytes

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def found_in(source: InputSamples) -> tuple[dict[str, bytes | ImageError], list[Failure]]:
    """The bytes of every sample, or what is wrong with them, read as a run does; the failures."""
    contents: dict[str, bytes | ImageError] = {}
    failures = []
    for each in source:
        if isinstance(each, Failure):
            failures.append(each)
            continue
        assert each.path not in contents
        contents[each.path] = content(each)
    return contents, failures


def content(sample: Sample) -> bytes | ImageError:
    """What the bytes of a sample are."""
    part = sample.part
    try:
        if isinstance(part, Streamed):
            return b"".join(part.unpacked())
        assert isinstance(part, Part)
        with open_file(part.file) as file:
            return b"".join(part.unpacked(RandomAccess(file).read_at))
    except ImageError as damage:
        return damage


def source(*inputs: Path, **selection: object) -> InputSamples:
    """The source of these inputs."""
    chosen = Selection(**selection)  # type: ignore[arg-type]
    return InputSamples(InputRequest([str(path) for path in inputs]), chosen, Roots())


def test_selection(tmp_path: Path) -> None:
    """Patterns match below the input, the archive included; excluded archives are not opened."""
    for name in ("x.tar", "d/y.ZIP", "z.tgz"):
        pack(tmp_path / "in" / name, {"a.png": b"1", "e/b.png": b"2"})
    (tmp_path / "in/link.tar").symlink_to("x.tar")
    every = [f"{a}/{m}" for a in ("d/y.ZIP", "x.tar", "z.tgz") for m in ("a.png", "e/b.png")]
    linked = [f"link.tar/{m}" for m in ("a.png", "e/b.png")]
    for selection, expected in (
        ({}, every),
        ({"exclude": ("e/",)}, [path for path in every if "/e/" not in path]),
        ({"exclude": ("*.tar",)}, [path for path in every if "x.tar" not in path]),
        ({"include": ("/d/**/b.png",)}, ["d/y.ZIP/e/b.png"]),
        ({"exclude": ("x.tar/a.png",)}, [path for path in every if path != "x.tar/a.png"]),
        ({"follow_links": True}, [*every[:2], *linked, *every[2:]]),
    ):
        assert list(found_in(source(tmp_path / "in", **selection))[0]) == expected
    excluded = source(tmp_path / "in", exclude=("*.tar", "*.tgz", "*.zip", "*.ZIP"))
    assert list(excluded) == []
    assert excluded.ignored == {"excluded": 3, "symlink": 1}


def test_what_covers_a_member(tmp_path: Path) -> None:
    """An archive's members lie in the directories above it, and in it if it is named itself."""
    pack(tmp_path / "in/x.tar", {"a.png": b"1"})
    for inputs in ((tmp_path / "in",), (tmp_path / "in/x.tar",)):
        found = source(*inputs)
        assert found.covers(f"{tmp_path}/in/x.tar/../b.png")
        assert not found.covers(f"{tmp_path}/in.png")
    assert not source(tmp_path / "in/x.tar").covers(f"{tmp_path}/in/y.tar/a.png")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.png", (None, "a.png")),
        ("x.tar", (None, "x.tar")),
        ("d/x.TAR/a.png", ("d/x.TAR", "a.png")),
        ("x.tar//etc/a.png", ("x.tar", "/etc/a.png")),
        ("x.zip/../../y.zip/a.png", ("x.zip", "../../y.zip/a.png")),
        ("dir.tar/a.png", (None, "dir.tar/a.png")),
        ("dir.tar/x.tgz/a.png", ("dir.tar/x.tgz", "a.png")),
        ("dir.tar/../a.png", None),
        ("dir.tar/a\0.tar/b.png", None),
        ("x.tar/a\0.png", ("x.tar", "a\0.png")),
        ("dir.tar//a.png", None),
        ("./x.tar/a.png", None),
    ],
)
def test_where_a_path_leads(
    path: str, expected: tuple[str | None, str] | None, tmp_path: Path
) -> None:
    """Into the first archive on the way; a path that no walk of directories gives leads nowhere."""
    (tmp_path / "dir.tar").mkdir()
    assert split(str(tmp_path), path) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_archives_that_workers_cannot_open(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever opens an archive, its samples can be kept, and read where they are then."""
    archive = pack(tmp_path / f"x{kind}", CONTENTS)
    opened = []

    def opening(path: str, _: Waiting) -> BinaryIO:
        opened.append(path)
        return open_file(str(archive))

    far = replace(LOCAL, in_place=False, open=opening)
    monkeypatch.setattr(archive_module, "files_of", lambda _: far)
    scope = Scope(InputRequest(()), Sieve(Selection()), Roots())
    found = samples_in(scope, Sample(0, "x", 0, 7), f"far://away/x{kind}", "x")
    kept = {}
    (tmp_path / "spool").mkdir()
    with Spool(tmp_path / "spool", 1 << 20) as spool:
        for sample in found:
            assert isinstance(sample, Sample)
            assert isinstance(sample.part, Streamed)
            first = content(sample) if kind in {".tar", ".zip"} else None
            part = spool.keep(sample.part, 0)
            assert part
            kept[sample.path] = content(sample._replace(part=part))
            assert first in {None, kept[sample.path]}
    assert kept == {f"x/{name}": data for name, data in CONTENTS.items()}
    assert opened == [f"far://away/x{kind}"]


CONTENTS: Members = {
    f"{'long/' * 30 if n % 3 == 2 else ''}{n}.png": os.urandom(200 + 700 * (n % 4))
    for n in range(9)
}


def ends_of(data: bytes) -> dict[str, int]:
    """Where each member of a plain archive ends."""
    return {name: data.index(content) + len(content) for name, content in CONTENTS.items()}


PLAIN = {".tar": packed(".tar", CONTENTS), ".zip": zip_bytes(CONTENTS)}
ENDS = {kind: ends_of(data) for kind, data in PLAIN.items()}
COMPRESSED = {kind: packed(kind, CONTENTS) for kind in (".tgz", ".zst")}


@pytest.mark.parametrize("kind", PLAIN)
@FEW
@given(data=st.data())
def test_cut_off(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    """What lies wholly before the cut is there, and nothing else; one failure says the rest."""
    whole = PLAIN[kind]
    cut = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path / f"x{kind}"
    path.write_bytes(whole[:cut])
    sound = [name for name, end in ENDS[kind].items() if end <= cut]
    contents, failures = found_in(source(path))
    assert contents == {f"x{kind}/{name}": CONTENTS[name] for name in sound}
    if kind == ".zip" or cut <= len(whole.rstrip(b"\0")):
        (failure,) = failures
        if cut >= 512:  # less is not known to be an archive
            assert failure.reason == "truncated"
        assert failure.sample[1:3] == (f"x{kind}", cut)


@pytest.mark.parametrize("kind", COMPRESSED)
@FEW
@given(data=st.data())
def test_a_compressed_one_cut_off(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    """What could be unpacked is there, and one failure; never anything that was not packed."""
    whole = COMPRESSED[kind]
    cut = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path / ("x.tgz" if kind == ".tgz" else "x.tar.zst")
    path.write_bytes(whole[:cut])
    contents, failures = found_in(source(path))
    assert len(failures) == 1
    assert failures[0].reason == "truncated"
    names = [f"{path.name}/{name}" for name in CONTENTS]
    assert list(contents) == names[: len(contents)]
    whole_ones = [found for found in contents.values() if not isinstance(found, ImageError)]
    assert whole_ones == list(CONTENTS.values())[: len(whole_ones)]
    assert len(contents) - len(whole_ones) <= 1


@pytest.mark.slow
@FEW
@given(at=st.integers(0, len(COMPRESSED[".tgz"]) - 1), change=st.integers(1, 255))
def test_a_flipped_byte_in_gzip(at: int, change: int, tmp_path: Path) -> None:
    """What is before the byte is as it was; there is a failure, by the checksum at the latest."""
    data = bytearray(COMPRESSED[".tgz"])
    data[at] ^= change
    path = tmp_path / "x.tgz"
    path.write_bytes(data)
    contents, failures = found_in(source(path))
    if at >= 10:  # of the header some bytes mean nothing
        assert failures
    # Random bytes are stored as they are: what is packed before the byte is in the same place.
    for member, packed_at in PLACES.items():
        if packed_at + len(CONTENTS[member]) + 64 < at:
            assert contents[f"x.tgz/{member}"] == CONTENTS[member]


PLACES = {
    name: at
    for name, content in CONTENTS.items()
    if (at := COMPRESSED[".tgz"].find(content[:64])) >= 0
}


def unprotected(data: bytes) -> set[int]:
    """The bytes of a zip's directory that say how members are called, and what they are.

    One that is flipped can give a member another's name, or make a directory of it.
    """
    found: set[int] = set()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.start_dir
        for info in archive.infolist():
            length = len(info.filename.encode())
            found |= {*range(at + 38, at + 42), *range(at + 46, at + 46 + length)}
            at += 46 + length + len(info.extra) + len(info.comment)
    return found


UNPROTECTED = unprotected(PLAIN[".zip"])


@pytest.mark.parametrize("kind", PLAIN)
@FEW
@given(data=st.data())
def test_a_flipped_byte(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    """What is before the byte is as it was; what is not, is there as it was or there is a word."""
    whole = bytearray(PLAIN[kind])
    at = data.draw(st.integers(0, len(whole) - 1))
    assume(kind != ".zip" or at not in UNPROTECTED)
    whole[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / f"x{kind}"
    path.write_bytes(whole)
    contents, failures = found_in(source(path))
    directory = at > max(ENDS[kind].values())
    for member, end in ENDS[kind].items():
        found = contents.get(f"x{kind}/{member}")
        if end <= at and not directory:
            assert found == CONTENTS[member]
        elif kind == ".zip":  # names have no checksum there, bytes have one
            assert isinstance(found, ImageError) or found in (None, CONTENTS[member])
    if len(contents) < len(CONTENTS):
        assert failures


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(data=st.data())
def test_noise(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    """Whatever an archive holds, listing it ends, and raises nothing."""
    whole = bytearray(packed(kind[kind.rindex(".") :], CONTENTS))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=20)):
        whole[at] = data.draw(st.integers(0, 255))
    path = tmp_path / f"x{kind}"
    path.write_bytes(whole)
    found_in(source(path))


class _Pipe(io.BytesIO):
    """What cannot be written at an earlier place once more."""

    def seekable(self) -> bool:
        """Not by `zipfile`."""
        return False

    def seek(self, *_: int) -> int:
        """Nowhere.

        Raises:
            UnsupportedOperation: always.
        """
        raise io.UnsupportedOperation

    tell = seek


@FEW
@given(cut=st.integers(100, 3000))
def test_a_deflated_zip_that_was_streamed(cut: int, tmp_path: Path) -> None:
    """Without its directory, members of which only what follows them knows the size are found."""
    buffer = _Pipe()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content_ in CONTENTS.items():
            archive.writestr(zipfile.ZipInfo(name), content_, zipfile.ZIP_DEFLATED)
    data = buffer.getvalue()
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    assert found_in(source(path)) == ({f"x.zip/{n}": c for n, c in CONTENTS.items()}, [])
    headers = [data.index(name.encode()) - 30 for name in CONTENTS]
    path.write_bytes(data[:cut])
    contents, (failure,) = found_in(source(path))
    ends = [*headers[1:], data.index(b"PK\x01\x02")]
    whole = [n for n, end in zip(CONTENTS, ends, strict=True) if end <= cut]
    assert contents == {f"x.zip/{name}": CONTENTS[name] for name in whole}
    assert failure.reason == "truncated"
