"""Where a set is, or a file of one: in a directory of this machine, or at a URL.

What differs between the two is told apart here, and nowhere else but for locks and tensor files
that are being written.
"""

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from clip_prep_cli.durable import sync_directory, write_atomically
from clip_prep_cli.remote import is_url
from clip_prep_cli.remote_path import RemotePath

S = TypeVar("S")
T = TypeVar("T")

_REQUESTS_AT_ONCE = 16
_READ_AHEAD_BYTES = 1 << 18
_SPAN_BYTES = 8 << 20
_SPANS_AT_ONCE = 4


Location = Path | RemotePath


class Entry(NamedTuple):
    """What lies in a directory."""

    path: Location
    size: int
    is_folder: bool


def location_of(name: str | os.PathLike[str] | RemotePath) -> Location:
    """What a user's path or URL is; `file://` is this machine."""
    if isinstance(name, RemotePath):
        return name
    if not isinstance(name, str) or not is_url(name):
        return Path(name)
    if name.startswith("file://"):
        return Path(unquote(name.removeprefix("file://")))
    return RemotePath(name.rstrip("/"))


def absolute(location: Location) -> Location:
    """A directory by a name that means the same anywhere."""
    return location if isinstance(location, RemotePath) else location.resolve()


def copy_hint(url: RemotePath) -> str:
    """How a set comes from a URL to this machine, for people."""
    tools = {"s3": "aws s3 sync", "gs": "gcloud storage rsync -r"}
    tool = tools.get(url.scheme)
    return f"`{tool} {url} DIR`" if tool else "the store's own tool"


def entries(directory: Location) -> list[Entry]:
    """What lies directly in a directory; nothing if it is not there."""
    if isinstance(directory, RemotePath):
        return [
            Entry(directory / each.name, each.size, each.is_folder) for each in directory.listing()
        ]
    if not directory.is_dir():
        return []
    found = []
    with os.scandir(directory) as scanned:
        for each in scanned:
            with suppress(FileNotFoundError):  # a run has renamed or removed it meanwhile
                stat = each.stat(follow_symlinks=False)
                found.append(Entry(directory / each.name, stat.st_size, S_ISDIR(stat.st_mode)))
    return found


def replace_file(path: Location, content: bytes) -> None:
    """Replace a file, whole or not at all; durable.

    Raises:
        OSError, StoreError: it cannot be written; `path` is as before.
    """
    if isinstance(path, RemotePath):
        path.write_bytes(content)
    else:
        write_atomically(path, content)


def remove_files(paths: Sequence[Location]) -> None:
    """Remove files that may be there, for good: none comes back after a power cut.

    Raises:
        OSError, StoreError: one cannot be removed.
    """
    here = [path for path in paths if isinstance(path, Path)]
    for path in here:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in here}:
        sync_directory(folder)
    there = (path for path in paths if isinstance(path, RemotePath))
    for _ in in_order(RemotePath.remove, there, _REQUESTS_AT_ONCE):
        pass


def open_read(path: Location) -> io.BufferedReader:
    """The file, opened for reading anywhere in it.

    Raises:
        OSError, StoreError: it cannot be read.
    """
    if isinstance(path, RemotePath):
        return io.BufferedReader(_RemoteFile(path), _READ_AHEAD_BYTES)
    return open(path, "rb")


def read_rows(path: Location, begin: int, row_bytes: int, rows: int) -> Iterator[memoryview]:
    """Each of `rows` rows of a file, from the byte `begin` on; memory for a few MB of them.

    A row that is not there whole is shorter. From a store come several ranges at once.

    Raises:
        OSError, StoreError: they cannot be read.
    """
    if isinstance(path, Path):
        buffer = memoryview(bytearray(row_bytes))
        with open(path, "rb", buffering=0) as file:
            file.seek(begin)
            for _ in range(rows):
                yield buffer[: file.readinto(buffer)]
        return
    each = max(1, _SPAN_BYTES // row_bytes)

    def read(first: int) -> bytes:
        count = min(each, rows - first)
        return path.read_part(begin + first * row_bytes, count * row_bytes)

    for span in in_order(read, range(0, rows, each), _SPANS_AT_ONCE):
        for at in range(0, len(span), row_bytes):
            yield memoryview(span)[at : at + row_bytes]


def reads_at_once(location: Location) -> int:
    """From how many threads to read there: what takes long is the way to a store and back."""
    return _REQUESTS_AT_ONCE if isinstance(location, RemotePath) else 1


def in_order(call: Callable[[S], T], items: Iterable[S], at_once: int) -> Iterator[T]:
    """What `call` makes of each item, in their order, from so many threads; no further ahead."""
    if at_once == 1:
        yield from map(call, items)
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(at_once) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(call, item))
                if len(waiting) >= at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _RemoteFile(io.RawIOBase):
    """A file at a URL; each read is a request."""

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        self._size = path.size()
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}
        self._at = origin[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as io declares it
        size = max(0, min(len(buffer), self._size - self._at))
        if size:
            buffer[:size] = self._path.read_part(self._at, size)
            self._at += size
        return size
