"""Checksums of source files."""

import os
from typing import IO

from xxhash import xxh3_128

from clip_prep_cli.remote import DEFAULT_PATIENCE, is_url

UNREADABLE = -1
"""What no content has as its checksum."""

_CHUNK = 1 << 20


def file_xxh128(path: str, size: int, patience: float = DEFAULT_PATIENCE) -> int:
    """The xxh3_128 of the first `size` bytes of a file, or UNREADABLE; waits for no FIFO.

    Raises:
        CannotContinueError: it is in a store that does not answer for `patience` seconds.
    """
    digest = xxh3_128()
    try:
        with _opened(path, patience) as file:
            while size and (data := file.read(min(size, _CHUNK))):
                digest.update(data)
                size -= len(data)
    except OSError:
        return UNREADABLE
    return digest.intdigest()


def _opened(path: str, patience: float) -> IO[bytes]:
    if is_url(path):
        from clip_prep_cli.remote_file import open_url

        return open_url(path, patience)
    return open(path, "rb", buffering=0, opener=_without_waiting)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
