"""Checksums of source files."""

import os

from xxhash import xxh3_128

UNREADABLE = -1
"""What no content has as its checksum."""

_CHUNK = 1 << 20


def file_xxh128(path: str, size: int) -> int:
    """The xxh3_128 of the first `size` bytes of a file, or UNREADABLE; waits for no FIFO."""
    digest = xxh3_128()
    try:
        with open(path, "rb", buffering=0, opener=_without_waiting) as file:
            while size and (data := file.read(min(size, _CHUNK))):
                digest.update(data)
                size -= len(data)
    except OSError:
        return UNREADABLE
    return digest.intdigest()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
