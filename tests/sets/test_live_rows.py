"""The packed table of places behaves like a dictionary of tuples."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.sets.live_rows import LiveRow, LiveRows
from tests.support.command import album, convert

PATHS = st.sampled_from(["", "a", "a/b.png", "caf\udce9", "\u2028", "b"])
ROOTS = st.sampled_from([0, 1, 77])
TIMES = st.integers(-(1 << 93), 1 << 93)
"""In ns: ext4 ends in 2446, after 64 bits do; Btrfs and tmpfs have 64 bits of seconds."""

PLACES = st.builds(
    LiveRow,
    shard=st.integers(0, (1 << 32) - 1),
    row=st.integers(0, (1 << 24) - 1),
    size=st.integers(0, (1 << 48) - 1),
    mtime_ns=TIMES,
    xxh128=st.integers(0, (1 << 128) - 1),
)
CHANGES = st.lists(st.tuples(ROOTS, PATHS, st.none() | PLACES))


@given(CHANGES)
def test_like_a_dictionary(changes: list[tuple[int, str, LiveRow | None]]) -> None:
    """Whatever is put in and taken out, it holds what a dictionary would, in its order."""
    places, model = LiveRows(), dict[tuple[int, str], LiveRow]()
    for root, path, place in changes:
        if place:
            assert places.put(root, path, place) == model.get((root, path))
            model[root, path] = place
        else:
            assert places.pop(root, path) == model.pop((root, path), None)
        assert len(places) == len(model)
        assert places.get(root, path) == model.get((root, path))
    assert set(places) == set(model)
    assert {identity: places[identity] for identity in places} == model


def test_unknown_images() -> None:
    """An image without a place is a KeyError, or None, whether its root is known or not."""
    places = LiveRows()
    places.put(0, "a", LiveRow(1, 2, 3, 4))
    for identity in ((0, "b"), (1, "a")):
        assert places.get(*identity) is None
        with pytest.raises(KeyError):
            places[identity]
    assert (len(places), list(places)) == (1, [(0, "a")])


@pytest.mark.parametrize("mtime_ns", [-1, -(10**18), 10**19])
def test_files_of_odd_times(mtime_ns: int, tmp_path: Path) -> None:
    """A file from before 1970 or after 2262 is known again."""
    source = album(tmp_path / "in", 1)
    os.utime(source / "0000.png", ns=(mtime_ns, mtime_ns))
    if (source / "0000.png").stat().st_mtime_ns != mtime_ns:
        pytest.skip("the file system has no such times")
    convert(source, tmp_path / "out")
    assert '"unchanged": 1' in convert(source, tmp_path / "out", "--json").stdout
