"""Where the live row of each image is: the one table that grows with the whole set.

An entry is a string and an integer instead of objects with names: 180 bytes for a path of 44
characters (by tracemalloc), where tuples take 385.
"""

from collections.abc import Iterator
from typing import NamedTuple

from clip_prep_cli.samples.roots import Identity

_ROW_BITS = 24
_SIZE_BITS = 48
_TIME_BITS = 96
_SHARD_BITS = 32


class LiveRow(NamedTuple):
    """A row, and what its source was like; `xxh128` is 0 if nobody asked for it."""

    shard: int
    row: int
    size: int
    mtime_ns: int
    xxh128: int = 0


class LiveRows:
    """A mapping from an image's identity to its live row."""

    def __init__(self) -> None:
        self._by_root: dict[int, dict[str, int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_root.values()))

    def __iter__(self) -> Iterator[Identity]:
        for root, paths in self._by_root.items():
            for path in paths:
                yield root, path

    def __getitem__(self, identity: Identity) -> LiveRow:
        root, path = identity
        return _unpacked(self._by_root[root][path])

    def get(self, root: int, path: str) -> LiveRow | None:
        """The live row of an image, if it has one."""
        packed = self._by_root.get(root, {}).get(path)
        return None if packed is None else _unpacked(packed)

    def put(self, root: int, path: str, live: LiveRow) -> LiveRow | None:
        """Give an image a live row; the one that it had before."""
        paths = self._by_root.setdefault(root, {})
        before = paths.get(path)
        paths[path] = _packed(live)
        return None if before is None else _unpacked(before)

    def pop(self, root: int, path: str) -> LiveRow | None:
        """Take an image's live row away, if it has one."""
        packed = self._by_root.get(root, {}).pop(path, None)
        return None if packed is None else _unpacked(packed)


def _packed(live: LiveRow) -> int:
    shard, row, size, mtime_ns, xxh128 = live
    packed = (xxh128 << _SHARD_BITS | shard) << _ROW_BITS | row
    # Two's complement: a file may claim to be older than 1970.
    return (packed << _SIZE_BITS | size) << _TIME_BITS | mtime_ns & (1 << _TIME_BITS) - 1


def _unpacked(packed: int) -> LiveRow:
    values = []
    for bits in (_TIME_BITS, _SIZE_BITS, _ROW_BITS, _SHARD_BITS):
        values.append(packed & (1 << bits) - 1)
        packed >>= bits
    mtime_ns, size, row, shard = values
    if mtime_ns >> _TIME_BITS - 1:
        mtime_ns -= 1 << _TIME_BITS
    return LiveRow(shard, row, size, mtime_ns, packed)
