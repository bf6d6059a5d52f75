"""Zip archives, as the standard library's writer makes them, and what is odd about others."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples import parts
from clip_prep_cli.samples.parts import Part, Zipped
from clip_prep_cli.sources.archives.members import Member
from clip_prep_cli.sources.archives.streams import RandomAccess
from clip_prep_cli.sources.archives.zips import Zip
from tests.support.packing import zip_bytes

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=100)


def contents_of(data: bytes) -> dict[str, bytes]:
    """The bytes of every member."""
    archive = RandomAccess(io.BytesIO(data))
    return {member.name: content(member, archive) for member in Zip(archive).members()}


def content(member: Member, archive: RandomAccess) -> bytes:
    """The bytes of a member."""
    part = Part("", member.offset, member.size, None, member.zipped)
    return b"".join(part.unpacked(archive.read_at))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@settings(deadline=None)
@given(members=st.dictionaries(NAMES, st.binary(max_size=3000), max_size=5), prefix=st.binary())
def test_what_the_standard_library_packs(
    method: int, members: dict[str, bytes], prefix: bytes
) -> None:
    """Any names and bytes; also behind a program that would unpack them."""
    data = zip_bytes(members, method)
    assert contents_of(data) == members
    if members:
        assert contents_of(prefix + data) == members


def test_zip64(monkeypatch: pytest.MonkeyPatch) -> None:
    """What 32 bits cannot hold stands elsewhere; here the writer thinks that they hold little."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    members = {f"{n}.png": bytes([n]) * 300 for n in range(5)}
    data = zip_bytes(members, zipfile.ZIP_DEFLATED)
    assert b"PK\x06\x06" in data
    assert contents_of(data) == members
    assert contents_of(b"a program" + data) == members
    found: list[Member] = []
    with pytest.raises(ImageError):
        found.extend(Zip(RandomAccess(io.BytesIO(data[:-30]))).members())


@pytest.mark.parametrize(
    ("name", "flag", "expected"),
    [
        (b"caf\xc3\xa9.png", 0x800, "caf\xe9.png"),
        (b"caf\xc3\xa9.png", 0, "caf\xe9.png"),
        (b"caf\x82!.png", 0, "caf\xe9!.png"),
        (b"\xff\xfe..png", 0x800, "\udcff\udcfe..png"),
        (b"a.png\0.txt", 0, "a.png"),
    ],
)
def test_names(name: bytes, flag: int, expected: str) -> None:
    """UTF-8, said to be or not; else the code page of DOS; up to a zero byte."""
    data = bytearray(zip_bytes({"x" * len(name): b"1"}))
    data[:] = data.replace(b"x" * len(name), name)
    entry = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, 6, flag)
    struct.pack_into("<H", data, entry + 8, flag)
    assert list(contents_of(bytes(data))) == [expected]


TWO = {"a.png": b"1", "b.png": b"2"}


def with_extra(extra: bytes) -> bytes:
    """An archive of `TWO` in which every header has this extra field."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in TWO.items():
            info = zipfile.ZipInfo(name)
            info.extra = extra
            archive.writestr(info, data)
    return buffer.getvalue()


def test_entries_that_the_standard_library_refuses() -> None:
    """One of a later version, and an extra field that is cut off, cost no member."""
    data = bytearray(zip_bytes(TWO))
    data[data.rindex(b"PK\x01\x02") + 6] = 255
    assert contents_of(bytes(data)) == TWO
    assert contents_of(with_extra(struct.pack("<2Hb", 9, 9, 1))) == TWO


def test_a_second_name() -> None:
    """Some versions of `zipfile` prefer the Unicode path field; here a name never depends on it."""
    other = struct.pack("<BI", 1, zlib.crc32(b"b.png")) + b"c.png"
    assert contents_of(with_extra(struct.pack("<2H", 0x7075, len(other)) + other)) == TWO


def listed(data: bytes) -> tuple[list[Member], str]:
    """The members, and what is said of the damage."""
    members = []
    try:
        for member in Zip(RandomAccess(io.BytesIO(data))).members():
            members.append(member)  # noqa: PERF402 - those before the damage are wanted
    except ImageError as damage:
        return members, f"{damage.reason}: {damage.detail}"
    return members, ""


@pytest.mark.parametrize(
    ("signature", "at", "field"),
    [
        (b"PK\x01\x02", 42, b"\xf0\xff\xff\xff"),
        (b"PK\x01\x02", 28, b"\xff\xff"),
        (b"PK\x05\x06", 10, b"\x03\0"),
        (b"PK\x05\x06", 12, b"\xff\xff\xff\x7f"),
        (b"PK\x05\x06", 16, bytes([71, 0, 0, 0])),  # it begins at byte 72
        (b"PK\x05\x06", 16, b"\xff\xff\xff\x7f"),
    ],
)
def test_a_wrong_directory(signature: bytes, at: int, field: bytes) -> None:
    """An entry leads nowhere or has no end, or the count, size or offset of them all is wrong."""
    data = bytearray(zip_bytes(TWO))
    at += data.rindex(signature)
    data[at : at + len(field)] = field
    members, said = listed(bytes(data))
    assert [member.name for member in members] == list(TWO)
    assert said == "corrupt: the archive's directory is damaged"


CONTENTS = {f"{n}.png": bytes([n]) * 50 * n for n in range(4)}
PACKED = zip_bytes(CONTENTS, zipfile.ZIP_DEFLATED)
DIRECTORY = PACKED.index(b"PK\x01\x02")


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.integers(DIRECTORY, len(PACKED) - 1), st.integers(0, 255), max_size=3))
def test_a_directory_with_other_bytes(changes: dict[int, int]) -> None:
    """It says what the standard library reads in it, or all members are found without it."""
    data = bytearray(PACKED)
    for at, byte in changes.items():
        data[at] = byte
    members, said = listed(bytes(data))
    if said:
        assert [member.name for member in members] == list(CONTENTS)
        return
    with suppress(zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        infos = zipfile.ZipFile(io.BytesIO(data)).infolist()
        assert [(each.offset, each.size, each.zipped) for each in members] == [
            (each.header_offset, each.file_size, zipped(each)) for each in infos
        ]


def zipped(info: zipfile.ZipInfo) -> Zipped:
    """How a member is kept, by the standard library."""
    return Zipped(info.compress_size, info.compress_type == zipfile.ZIP_DEFLATED, info.CRC)


def test_more_members_than_the_end_can_count() -> None:
    """Some writers do not use zip64 for more than 65,535 members: the count starts again at 0."""
    one = zip_bytes({"a": b""})
    begin, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    entries = one[begin:end] * 65_537
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entries), begin, 0)
    members, said = listed(one[:begin] + entries + last)
    assert (len(members), said) == (65_537, "")


def test_a_large_directory_is_not_held_in_memory(tmp_path: Path) -> None:
    """Nor is one that only claims to be large."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(300):
            info = zipfile.ZipInfo(f"{number}.png")
            info.comment = bytes(60_000)
            archive.writestr(info, b"")
    sparse = tmp_path / "x.zip"
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, 1 << 30, 0, 0)
    with sparse.open("wb") as file:
        file.seek(1 << 30)
        file.write(end)
    with sparse.open("rb", buffering=0) as file:
        tracemalloc.start()
        try:
            assert sum(1 for _ in Zip(RandomAccess(buffer)).members()) == 300
            with pytest.raises(ImageError, match="directory is damaged"):
                list(Zip(RandomAccess(file)).members())
            assert tracemalloc.get_traced_memory()[1] < 6 << 20
        finally:
            tracemalloc.stop()


def test_links_and_folders() -> None:
    """A symbolic link, as Unix packs it, is no file; nor is a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr(zipfile.ZipInfo("d/"), "")
    kinds = [(each.name, each.kind) for each in Zip(RandomAccess(buffer)).members()]
    assert kinds == [("link.png", "symlink"), ("d/", "directory")]


def test_members_that_are_not_what_they_claim() -> None:
    """Sizes and checksums are those of the bytes, or it is damage; no bomb is unpacked."""
    bomb = bytes(50 << 20)
    archive = RandomAccess(io.BytesIO(zip_bytes({"a": bomb}, zipfile.ZIP_DEFLATED)))
    (member,) = Zip(archive).members()
    assert member.zipped
    assert content(member, archive) == bomb
    for size, unpacked in ((len(bomb) + 1, len(bomb)), (len(bomb) - 1, 0), (1000, 0)):
        pieces: list[bytes] = []
        with pytest.raises(ImageError) as damage:
            pieces.extend(Part("", 0, size, None, member.zipped).unpacked(archive.read_at))
        assert damage.value.reason == "corrupt"
        assert sum(map(len, pieces)) == unpacked
    wrong = Zipped(member.zipped.packed, deflated=True, crc=member.zipped.crc ^ 1)
    with pytest.raises(ImageError, match="CRC"):
        content(member._replace(zipped=wrong), archive)
    with pytest.raises(ImageError, match="no header"):
        content(member._replace(offset=1), archive)
    assert parts.LOCAL_HEADER.size == 30
