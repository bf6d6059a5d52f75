"""Directories of this machine, and archives in them, walked in sorted order, lazily."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from stat import S_ISREG
from typing import NamedTuple

from clip_prep_cli.samples.records import Failure, Sample, unreadable_at
from clip_prep_cli.sources.archive_walk import samples_in, takes_file
from clip_prep_cli.sources.archives.kinds import is_archive
from clip_prep_cli.sources.files import LOCAL
from clip_prep_cli.sources.scope import Answer, Scope


class LocalWalk:
    """The samples below directories of this machine."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._sieve = scope.sieve
        self._should_stop = scope.request.waiting.should_stop
        self._output = identity(scope.request.avoid) if scope.request.avoid else None

    def named(self, names: Iterable[str]) -> dict[str, Answer]:
        """What each input is, by its absolute name."""
        return {path: Answer(os.path.isdir(path)) for path in map(LOCAL.absolute, names)}

    def ask(self, _: str) -> None:
        """Nothing is asked ahead."""

    def sample(self, path: str, _: Answer) -> Sample | Failure:
        """What a named file stands for, by what it is now."""
        root, below_root = self._scope.roots.locate(path)
        try:
            stat = LOCAL.stat(path)
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
            if path.endswith("\r"):
                why = f"{why}; its name ends in a carriage return (Windows line ending)"
            return unreadable_at(root, below_root, why)
        return Sample(root, below_root, stat.size, stat.mtime_ns)

    def is_gone(self, path: str) -> bool:
        """Whether a file has certainly been deleted.

        One that cannot be looked at may well be there; and so may one below a directory that is
        empty, which is how the place of a disk looks that is not mounted.
        """
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            parent = os.path.dirname(path)
            while not os.path.isdir(parent):
                parent = os.path.dirname(parent)
            with suppress(OSError), os.scandir(parent) as found:
                return any(found)
        except OSError:
            return False
        return False

    def samples(self, top: str) -> Iterator[Sample | Failure]:
        """Those in the directory `top` and below; what cannot be listed or read is a failure."""
        ignored = self._sieve.ignored
        if self._output and identity(top) == self._output:
            ignored["output"] += 1
            return
        # A stack of half-read listings instead of recursion: depth costs no Python frames.
        linked: set[tuple[int, int] | None] = set()
        stack = [(identity(top), self._listing(_Folder(top, "", linked=False)))]
        while stack:
            item = next(stack[-1][1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, _Folder):
                found = identity(item.path)
                # A followed link that leads back to a directory above it would never end; folders
                # that are full of links to each other would have as many paths as orders.
                if found and found == self._output:
                    ignored["output"] += 1
                    continue
                again = item.linked and found in linked
                if again or any(found == above for above, _ in stack):
                    ignored["repeated link"] += 1
                    continue
                if item.linked:
                    linked.add(found)
                stack.append((found, self._listing(item)))
            else:
                yield item

    def _listing(self, folder: "_Folder") -> Iterator["Sample | Failure | _Folder"]:
        """The samples and the subdirectories of one directory, sorted by the bytes of the name."""
        root, below_root = self._scope.roots.locate(folder.path)
        # Joined here once: of a million paths that is most of the work.
        path_to, below_to, root_to = (
            os.path.join(each, "") for each in (folder.path, folder.below, below_root)
        )
        try:
            with os.scandir(folder.path) as found:
                entries = sorted(map(_packed, found))
        except OSError as error:
            yield unreadable_at(root, below_root or ".", f"cannot be listed: {error.strerror}")
            return
        for packed in entries:
            if self._should_stop():
                return
            name, is_link = os.fsdecode(packed[:-3]), packed.endswith(b"l")
            path, below = path_to + name, below_to + name
            if packed.endswith((b"d-", b"dl")):
                # A directory that is an input itself is walked as such.
                if path not in self._scope.directories and not self._sieve.passes_over(
                    name, below + "/", is_link=is_link
                ):
                    yield _Folder(path, below, folder.linked or is_link)
            elif path not in self._scope.files and takes_file(
                self._sieve, name, below, is_link=is_link
            ):
                yield from self._sample(path, root, root_to + name, below)

    def _sample(
        self, path: str, root: int, below_root: str, below: str
    ) -> Iterator[Sample | Failure]:
        try:
            stat = os.stat(path)
        except OSError as error:
            yield unreadable_at(root, below_root, f"cannot be read: {error.strerror}")
            return
        sample = Sample(root, below_root, stat.st_size, stat.st_mtime_ns)
        if not S_ISREG(stat.st_mode):
            self._sieve.ignored["special file"] += 1
        elif is_archive(path):
            yield from samples_in(self._scope, sample, path, below)
        else:
            yield sample


class _Folder(NamedTuple):
    """A directory to walk, its path below the input, and whether a link led there."""

    path: str
    below: str
    linked: bool


def _packed(entry: os.DirEntry[str]) -> bytes:
    """An entry in a fifth of an `os.DirEntry`, that sorts by its name: a folder may hold millions.

    No name holds the zero byte that ends it here. Behind it: a directory or not (what a link leads
    to counts), a link or not.
    """
    try:
        directory = entry.is_dir()
    except OSError:  # a symbolic link that cannot be resolved is not one
        directory = False
    kinds = (b"d" if directory else b"-") + (b"l" if entry.is_symlink() else b"-")
    return os.fsencode(entry.name) + b"\0" + kinds


def identity(directory: str) -> tuple[int, int] | None:
    """What is the same for all paths that lead to a directory; None if it cannot be known."""
    try:
        stat = os.stat(directory)
    except OSError:  # listing it will say so
        return None
    return stat.st_dev, stat.st_ino
