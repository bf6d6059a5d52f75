"""Tar archives of all formats, as the standard library's reader lists them."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_prep_cli.errors import ImageError
from clip_prep_cli.sources.archives.members import Member
from clip_prep_cli.sources.archives.streams import ForwardStream, RandomAccess
from clip_prep_cli.sources.archives.tars import Tar
from tests.support.packing import tar_bytes

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300
).filter(lambda name: not name.endswith("/"))
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def members_of(data: bytes) -> list[Member]:
    """The members that are found in an archive, in both ways of reading it."""
    found = list(Tar(RandomAccess(io.BytesIO(data))).members())
    pieces = (data[at : at + 700] for at in range(0, len(data), 700))
    assert list(Tar(ForwardStream(pieces)).members()) == found
    return found


@pytest.mark.parametrize("layout", FORMATS)
@settings(deadline=None)
@given(members=st.dictionaries(NAMES, st.binary(max_size=1500), max_size=5))
def test_what_the_standard_library_packs(layout: int, members: dict[str, bytes]) -> None:
    """Names of any length and of any characters, and the bytes of each member."""
    try:
        data = tar_bytes(members, layout)
    except ValueError:  # a name that ustar cannot hold
        return
    found = {member.name: data[member.offset :][: member.size] for member in members_of(data)}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        listed = [(info.name, info.offset_data, info.size) for info in tar]
    kept = [(m.name, m.offset, m.size) for m in members_of(data)]
    assert [each[1:] for each in kept] == [each[1:] for each in listed]
    assert found == {name.removesuffix("/"): content for name, content in members.items()}


def test_pax_headers() -> None:
    """What a global header says holds, unless a member's own says otherwise."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "everywhere.png"}
    ) as tar:
        for name, headers in (("a.png", {}), ("b.png", {"path": "own.png", "comment": "x=y\n"})):
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = 5, headers
            tar.addfile(info, io.BytesIO(b"12345"))
    names = [member.name for member in members_of(buffer.getvalue())]
    assert names == ["everywhere.png", "own.png"]


def test_sizes_beyond_octal_digits() -> None:
    """A size in binary is understood; a member that the file cannot hold is damage."""
    info = tarfile.TarInfo("huge.png")
    info.size = 1 << 40
    header = info.tobuf(tarfile.GNU_FORMAT)
    tar = Tar(ForwardStream(iter([header])))
    members = tar.members()
    assert next(members).size == 1 << 40
    with pytest.raises(ImageError):
        next(members)
    assert tar.progress.left() == "huge.png and everything after it were not read"
    with pytest.raises(ImageError):
        next(Tar(RandomAccess(io.BytesIO(header))).members())


@pytest.mark.parametrize("kind", [b"L", b"x", b"g"])
def test_headers_that_claim_to_be_long(kind: bytes) -> None:
    """A header of a gigabyte is not read into memory."""
    info = tarfile.TarInfo("a.png")
    info.size, info.type = 1 << 30, kind
    with pytest.raises(ImageError, match="claims"):
        members_of(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))


def test_many_long_names_in_a_row() -> None:
    """However many headers precede a member, they cost no stack."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = b"L", 6
    block = info.tobuf(tarfile.GNU_FORMAT) + b"a.png\0".ljust(512, b"\0")
    end = tar_bytes({"b.png": b"1"})
    assert [member.name for member in members_of(block * 3000 + end)] == ["a.png"]


def test_more_behind_the_end() -> None:
    """Blocks of zeros in the middle, as a lost sector leaves them, do not pass for the end."""
    data = tar_bytes({"a.png": b"1", "b.png": b"2", "c.png": b"3"})
    holed = data[:1024] + bytes(1024) + data[2048:]
    tar = Tar(RandomAccess(io.BytesIO(holed)))
    members = tar.members()
    assert next(members).name == "a.png"
    with pytest.raises(ImageError, match="end"):
        next(members)
    assert tar.progress.left() == "everything after a.png was not read"
