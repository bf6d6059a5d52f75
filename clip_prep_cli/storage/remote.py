"""A directory at a URL, by fsspec alone: each operation is tried once."""

import errno
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any

from clip_prep_cli.storage.durable import partial_name
from clip_prep_cli.storage.interface import Check, Entry, Storage
from clip_prep_cli.storage.lease import Lease
from clip_prep_cli.storage.remote_file import open_url
from clip_prep_cli.storage.retry import s3_code
from clip_prep_cli.storage.stores import Place, place_of
from clip_prep_cli.storage.urls import is_web
from clip_prep_cli.storage.wrappers import Guarded

_WHOLE_PUTS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
"""Where an object appears whole or not at all, and can be made only if there is none."""

_NEW_UPLOADS = {"s3", "s3a", "gs", "gcs"}
"""Where that goes for files as well."""

_PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 8
_MOST_PARTS = 10_000


@dataclass(frozen=True)
class RemoteStorage(Storage):
    """A directory by its URL, which holds no secret. Raises whatever the file system raises."""

    url: str
    here = None

    def __str__(self) -> str:
        return self.url

    def at(self, name: str) -> str:
        """The URL of a file, or, without a name, of the directory."""
        return f"{self.url}/{name}" if name else self.url

    @property
    def is_writable(self) -> bool:
        """See `Storage`; web servers only give."""
        return not is_web(self.url)

    def read(self, name: str) -> bytes:
        fs, path = self._place(name)
        return bytes(fs.cat_file(path))

    def open(self, name: str, patience: float = 0.0) -> BufferedReader:
        return open_url(self.at(name), patience)

    def size(self, name: str) -> int:
        fs, path = self._place(name)
        return int(fs.info(path)["size"])

    def modified(self, name: str) -> datetime | None:
        fs, path = self._place(name)
        try:
            when: datetime = fs.modified(path)
        except NotImplementedError:
            return None
        return when

    def entries(self, folder: str = "") -> list[Entry]:
        fs, path = self._place(folder)
        with suppress(FileNotFoundError):
            return [
                Entry(PurePosixPath(each["name"]).name, each["size"], each["type"] == "directory")
                for each in fs.ls(path, detail=True)
                if each["name"].rstrip("/") != path.rstrip("/")  # the mark of an empty directory
            ]
        return []

    def replace(self, name: str, content: bytes) -> None:
        place = self._place(name)
        self._put(place, lambda path: place.fs.pipe_file(path, content), len(content))

    def create(self, name: str, content: bytes) -> bool:
        fs, path = self._place(name)
        if self._scheme not in _WHOLE_PUTS:
            fs.makedirs(_above(path), exist_ok=True)
        try:
            fs.pipe_file(path, content, mode="create")
        except OSError as error:
            if _says_that_it_exists(error):
                return False
            if error.errno != errno.ENOSYS:
                raise
        except (NotImplementedError, TypeError):  # it has no such mode
            pass
        else:
            return True
        if fs.exists(path):
            return False
        fs.pipe_file(path, content)
        return True

    def rename(self, name: str, to: str) -> None:
        fs, path = self._place(name)
        target = self._place(to).path
        if self._scheme not in _WHOLE_PUTS:
            fs.mv(path, target)
            return
        fs.cp_file(path, target)
        fs.rm_file(path)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            fs, path = self._place(name)
            with suppress(FileNotFoundError):
                fs.rm_file(path)

    def adopt(self, files: Mapping[str, Path]) -> None:
        for name, file in files.items():
            self._upload(self._place(name), file)

    def renew_folders(self, old: Iterable[str], new: Iterable[str]) -> None:
        """Do nothing: a store has no folders."""

    def lock(self, name: str, through: Storage) -> Lease:
        return Lease(through, name)

    def guarded(self, check: Check) -> Storage:
        return Guarded(self, check)

    @property
    def _scheme(self) -> str:
        return self.url.partition("://")[0]

    def _place(self, name: str) -> Place:
        return place_of(self.at(name))

    def _upload(self, place: Place, file: Path) -> None:
        size = file.stat().st_size
        options: dict[str, Any] = {}
        if self._scheme in ("s3", "s3a"):  # its defaults take half a gigabyte of memory
            part = max(_PART_BYTES, -(-size // _MOST_PARTS))
            options = {"chunksize": part, "max_concurrency": _PARTS_AT_ONCE}
        if self._scheme in _NEW_UPLOADS:
            # A process that was suspended in the middle may end its upload at any time: it must not
            # replace what a run has committed that has taken over since.
            options["mode"] = "create"

        def put(path: str) -> None:
            try:
                place.fs.put_file(str(file), path, **options)
            except OSError as error:
                if _says_that_it_exists(error):
                    raise FileExistsError(errno.EEXIST, "it exists", path) from error
                raise

        self._put(place, put, size)

    def _put(self, place: Place, put: Callable[[str], object], size: int) -> None:
        """Write a file, whole or not at all; `put` does it under some path."""
        fs, path = place
        if self._scheme in _WHOLE_PUTS:
            put(path)
        else:
            fs.makedirs(_above(path), exist_ok=True)
            partial = partial_name(path)
            put(partial)
            fs.mv(partial, path)
        found = fs.info(path)["size"]
        if found != size:  # as OSError: to be tried again
            raise OSError(errno.EIO, f"only {found:,} of {size:,} bytes arrived")


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _says_that_it_exists(error: OSError) -> bool:
    return isinstance(error, FileExistsError) or s3_code(error) in ("PreconditionFailed", "412")
