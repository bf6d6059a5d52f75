"""Where a set is, or a file of one: in a directory of this machine, or at a URL.

What differs between the two is told apart here, and nowhere else but for locks and tensor files
that are being written.
"""

import io
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from stat import S_ISDIR
from typing import NamedTuple, TypeVar, cast
from urllib.parse import unquote

from clip_prep_cli.common.threads import in_order
from clip_prep_cli.storage.durable import sync_directory, write_atomically
from clip_prep_cli.storage.remote_file import open_url
from clip_prep_cli.storage.remote_path import RemotePath
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE
from clip_prep_cli.storage.urls import checked, is_url

T = TypeVar("T")

_REQUESTS_AT_ONCE = 16


Location = Path | RemotePath


class Entry(NamedTuple):
    """What lies in a directory."""

    path: Location
    size: int
    is_folder: bool


def location_of(
    name: str | os.PathLike[str] | RemotePath, patience: float = DEFAULT_PATIENCE
) -> Location:
    """What a user's path or URL is; `file://` is this machine.

    Raises:
        UsageError: the URL holds a secret.
    """
    if isinstance(name, RemotePath):
        return replace(name, patience=patience)
    if not isinstance(name, str) or not is_url(name):
        return Path(name)
    if name.startswith("file://"):
        return Path(unquote(name.removeprefix("file://")))
    return RemotePath(checked(name), patience)


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


def rename(path: Location, to: Location) -> None:
    """Give a file another name, in place of what has that name; durable.

    Raises:
        OSError, StoreError: it cannot be done.
    """
    if isinstance(path, RemotePath) and isinstance(to, RemotePath):
        path.rename(to)
    elif isinstance(path, Path) and isinstance(to, Path):
        path.replace(to)
        sync_directory(to.parent)
    else:
        raise TypeError("cannot rename a file from one kind of storage to another")


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
        return cast("io.BufferedReader", open_url(path.url, path.patience))
    return open(path, "rb")


def reads_at_once(location: Location) -> int:
    """From how many threads to read there: what takes long is the way to a store and back."""
    return _REQUESTS_AT_ONCE if isinstance(location, RemotePath) else 1
