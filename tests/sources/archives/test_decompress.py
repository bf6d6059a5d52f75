"""Compressed files, against the libraries that made them."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_prep_cli.errors import ImageError
from clip_prep_cli.sources.archives.tar_gz import gunzipped
from clip_prep_cli.sources.archives.tar_zst import unzstd

Unpack = Callable[[BinaryIO], Iterator[bytes]]

WAYS = [
    pytest.param(lambda data: gzip.compress(data, mtime=0), gunzipped, id="gzip"),
    pytest.param(zstd.compress, unzstd, id="zstd"),
]


@pytest.mark.parametrize(("pack", "unpack"), WAYS)
@settings(deadline=None)
@given(parts=st.lists(st.binary(max_size=200_000), min_size=1, max_size=4))
def test_one_after_the_other(
    pack: Callable[[bytes], bytes], unpack: Unpack, parts: list[bytes]
) -> None:
    """Several compressed files in one are all of them; random bytes and repeated ones."""
    data = b"".join(pack(part * 3) for part in parts)
    assert b"".join(unpack(io.BytesIO(data))) == b"".join(part * 3 for part in parts)


def test_zeros_behind_gzip() -> None:
    """They are padding."""
    data = gzip.compress(b"abc") + bytes(100_000)
    assert b"".join(gunzipped(io.BytesIO(data))) == b"abc"


@pytest.mark.parametrize(("pack", "unpack"), WAYS)
def test_a_bomb_comes_in_pieces(pack: Callable[[bytes], bytes], unpack: Unpack) -> None:
    """However much a few bytes become, it does not come at once."""
    packed = io.BytesIO(pack(bytes(60 << 20)))
    assert max(map(len, unpack(packed))) <= 40 << 20


@pytest.mark.parametrize(("pack", "unpack"), WAYS)
def test_cut_off(pack: Callable[[bytes], bytes], unpack: Unpack) -> None:
    """What is there comes first, then the damage."""
    packed = pack(bytes(range(256)) * 1000)
    for cut in range(0, len(packed), 7):
        pieces: list[bytes] = []
        with pytest.raises(ImageError) as damage:
            pieces.extend(unpack(io.BytesIO(packed[:cut])))
        assert damage.value.reason == "truncated"
        assert (bytes(range(256)) * 1000).startswith(b"".join(pieces))


def test_damaged_gzip_gives_what_is_before() -> None:
    """Up to the very block that is damaged: nothing that came in the same read is lost."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = packer.compress(b"before" * 50) + packer.flush(zlib.Z_FULL_FLUSH)
    found: list[bytes] = []
    with pytest.raises(ImageError) as damage:
        found.extend(gunzipped(io.BytesIO(data + b"\x07 is no kind of block")))
    assert damage.value.reason == "corrupt"
    assert b"".join(found) == b"before" * 50
