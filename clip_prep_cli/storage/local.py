"""A directory of this machine."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from clip_prep_cli.storage.durable import make_directory, sync_directory, write_atomically
from clip_prep_cli.storage.interface import Check, Entry, Storage
from clip_prep_cli.storage.lock import DirectoryLock
from clip_prep_cli.storage.wrappers import Guarded


@dataclass(frozen=True)
class LocalStorage(Storage):
    """A directory by its path."""

    directory: Path
    is_writable = True

    @property
    def here(self) -> Path:
        return self.directory

    def __str__(self) -> str:
        return str(self.directory)

    def at(self, name: str) -> str:
        return str(self.directory / name)

    def absolute(self) -> "LocalStorage":
        return LocalStorage(self.directory.resolve())

    def read(self, name: str) -> bytes:
        return (self.directory / name).read_bytes()

    def open(self, name: str, patience: float = 0.0) -> BufferedReader:
        del patience  # which a disk does not need
        return open(self.directory / name, "rb")

    def size(self, name: str) -> int:
        return (self.directory / name).stat().st_size

    def modified(self, name: str) -> datetime:
        return datetime.fromtimestamp((self.directory / name).stat().st_mtime, UTC)

    def entries(self, folder: str = "") -> list[Entry]:
        """See `Storage`; a link has the size of what it leads to, but is no folder."""
        if not (self.directory / folder).is_dir():
            return []
        found = []
        with os.scandir(self.directory / folder) as scanned:
            for each in scanned:
                with suppress(FileNotFoundError):  # a run has renamed or removed it meanwhile
                    size, is_folder = _size(each), each.is_dir(follow_symlinks=False)
                    found.append(Entry(each.name, size, is_folder))
        return found

    def replace(self, name: str, content: bytes) -> None:
        write_atomically(self.directory / name, content)

    def create(self, name: str, content: bytes) -> bool:
        try:
            with open(self.directory / name, "xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    def rename(self, name: str, to: str) -> None:
        os.replace(self.directory / name, self.directory / to)
        sync_directory((self.directory / to).parent)

    def remove(self, names: Iterable[str]) -> None:
        paths = [self.directory / name for name in names]
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths}:
            sync_directory(folder)

    def adopt(self, files: Mapping[str, Path]) -> None:
        for name, file in files.items():
            if file != self.directory / name:
                os.replace(file, self.directory / name)
                sync_directory((self.directory / name).parent)

    def renew_folders(self, old: Iterable[str], new: Iterable[str]) -> None:
        for name in old:
            with suppress(OSError):
                (self.directory / name).rmdir()
        for name in new:
            make_directory(self.directory / name)

    def lock(self, name: str, through: Storage) -> DirectoryLock:
        del through
        return DirectoryLock(self.directory, name)

    def guarded(self, check: Check) -> Storage:
        return Guarded(self, check)


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a link that leads nowhere; or it has gone
        return entry.stat(follow_symlinks=False).st_size
