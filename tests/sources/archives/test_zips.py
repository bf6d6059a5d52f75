"""Zip archives, as the standard library's writer makes them, and what is odd about others."""

import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples import parts
from clip_prep_cli.samples.parts import Part, Zipped
from clip_prep_cli.sources.archives.members import Member
from clip_prep_cli.sources.archives.streams import Anywhere
from clip_prep_cli.sources.archives.zips import Zip
from tests.support.packing import zip_bytes

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=100)


def contents_of(data: bytes) -> dict[str, bytes]:
    """The bytes of every member."""
    archive = Anywhere(io.BytesIO(data))
    return {member.name: content(member, archive) for member in Zip(archive).members()}


def content(member: Member, archive: Anywhere) -> bytes:
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
    found: list[Member] = []
    with pytest.raises(ImageError):
        found.extend(Zip(Anywhere(io.BytesIO(data[:-30]))).members())


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


def test_an_entry_that_leads_nowhere() -> None:
    """If the directory leads to where no member can be, it is not what tells of members."""
    members = {"a.png": b"1", "b.png": b"2"}
    data = bytearray(zip_bytes(members))
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 42, 0xFFFFFFF0)
    archive = Anywhere(io.BytesIO(data))
    listing = Zip(archive).members()
    assert {next(listing).name, next(listing).name} == set(members)
    with pytest.raises(ImageError, match="directory is damaged"):
        next(listing)


def test_links_and_folders() -> None:
    """A symbolic link, as Unix packs it, is no file; nor is a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr(zipfile.ZipInfo("d/"), "")
    kinds = [(each.name, each.kind) for each in Zip(Anywhere(buffer)).members()]
    assert kinds == [("link.png", "symlink"), ("d/", "directory")]


def test_members_that_are_not_what_they_claim() -> None:
    """Sizes and checksums are those of the bytes, or it is damage; no bomb is unpacked."""
    bomb = bytes(50 << 20)
    archive = Anywhere(io.BytesIO(zip_bytes({"a": bomb}, zipfile.ZIP_DEFLATED)))
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
