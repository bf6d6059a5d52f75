"""What to convert: walk the inputs in sorted order, lazily, and say what was passed over."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from stat import S_ISREG
from typing import TYPE_CHECKING

from clip_prep_cli.formats import SUFFIXES
from clip_prep_cli.records import Failure, Sample

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True)
class Selection:
    """Which files of a directory count. Patterns are gitignore's, against the path below it."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    follow_links: bool = False


class Roots:
    """The absolute directories that samples are named against, numbered as they come."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._numbers = {path: number for number, path in enumerate(paths)}

    @property
    def paths(self) -> tuple[str, ...]:
        """The directories, in order of their numbers."""
        return tuple(self._numbers)

    def add(self, directory: str) -> None:
        """Number a directory, unless it lies in one that has a number."""
        if self._above(directory) is None:
            self._numbers[directory] = len(self._numbers)

    def locate(self, path: str) -> tuple[int, str]:
        """The number of the innermost root that holds `path`, and the path below it ('' for it).

        Raises:
            KeyError: no root holds it.
        """
        root = self._above(path)
        if root is None:
            raise KeyError(path)
        return self._numbers[root], path[len(root) :].lstrip(os.sep)

    def __contains__(self, directory: str) -> bool:
        return directory in self._numbers

    def _above(self, path: str) -> str | None:
        while path not in self._numbers:
            parent = os.path.dirname(path)
            if parent == path:
                return None
            path = parent
        return path


class Source:
    """The samples of the named inputs: existing directories and files.

    Iterating yields each sample once, however the inputs overlap, in an order that depends on
    the names alone; a directory that cannot be listed comes as a failure in its place.
    """

    def __init__(self, inputs: Iterable[str], selection: Selection, roots: Roots) -> None:
        self._inputs = tuple(dict.fromkeys(os.path.abspath(name) for name in inputs))
        self._directories = frozenset(filter(os.path.isdir, self._inputs))
        self._files = frozenset(self._inputs) - self._directories
        self._selection = selection
        self._include = _patterns(selection.include)
        self._exclude = _patterns(selection.exclude)
        self._roots = roots
        for name in self._inputs:
            roots.add(name if name in self._directories else os.path.dirname(name))
        self.ignored: Counter[str] = Counter()
        """What a walk passed over, by suffix or by kind: `.txt`, `hidden`, `symlink`, ..."""

    def __iter__(self) -> Iterator[Sample | Failure]:
        for name in self._inputs:
            if name in self._directories:
                yield from self._walk(name)
            else:
                yield self._named(name)

    def _named(self, name: str) -> Sample | Failure:
        root, path = self._roots.locate(name)
        try:
            stat = os.stat(name)
        except OSError as error:
            sample = Sample(root, path, 0, 0)
            return Failure(sample, "unreadable", f"cannot be read: {error.strerror}", None)
        return Sample(root, path, stat.st_size, stat.st_mtime_ns)

    def _walk(self, top: str) -> Iterator[Sample | Failure]:
        # A stack of half-read listings instead of recursion: depth costs no Python frames.
        stack = [(_identity(top), self._listing(top))]
        while stack:
            item = next(stack[-1][1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, os.DirEntry):
                identity = _identity(item.path)
                # A followed link that leads back to a directory above it would never end.
                if all(identity != above for above, _ in stack):
                    stack.append((identity, self._listing(item.path)))
            else:
                yield item

    def _listing(self, directory: str) -> Iterator[Sample | Failure | os.DirEntry[str]]:
        """The samples and the subdirectories of one directory, sorted by the bytes of the name."""
        root, below = self._roots.locate(directory)
        try:
            with os.scandir(directory) as found:
                entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            sample = Sample(root, below or ".", 0, 0)
            yield Failure(sample, "unreadable", f"cannot be listed: {error.strerror}", None)
            return
        for entry in entries:
            path = os.path.join(below, entry.name)
            if self._is_directory(entry):
                if self._descends(entry, path):
                    yield entry
            elif entry.path not in self._files and self._takes(entry, path):
                try:
                    stat = entry.stat()
                except OSError as error:
                    sample = Sample(root, path, 0, 0)
                    yield Failure(sample, "unreadable", f"cannot be read: {error.strerror}", None)
                    continue
                if S_ISREG(stat.st_mode):
                    yield Sample(root, path, stat.st_size, stat.st_mtime_ns)
                else:
                    self.ignored["special file"] += 1

    def _is_directory(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except OSError:  # a symbolic link that cannot be resolved is not one
            return False

    def _descends(self, entry: os.DirEntry[str], path: str) -> bool:
        if entry.path in self._directories:
            return False  # walked as an input of its own
        return not self._passed_over(entry, path + "/")

    def _takes(self, entry: os.DirEntry[str], path: str) -> bool:
        suffix = PurePath(entry.name).suffix.lower()
        if suffix not in SUFFIXES:
            self.ignored[suffix or "no suffix"] += 1
            return False
        if self._passed_over(entry, path):
            return False
        if self._include and not self._include.match_file(path):
            self.ignored["not included"] += 1
            return False
        return True

    def _passed_over(self, entry: os.DirEntry[str], path: str) -> bool:
        if entry.name.startswith(".") and not self._selection.hidden:
            kind = "hidden"
        elif entry.is_symlink() and not self._selection.follow_links:
            kind = "symlink"
        elif self._exclude and self._exclude.match_file(path):
            kind = "excluded"
        else:
            return False
        self.ignored[kind] += 1
        return True


def _identity(directory: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(directory)
    except OSError:  # listing it will say so
        return None
    return stat.st_dev, stat.st_ino


def _patterns(patterns: tuple[str, ...]) -> "GitIgnoreSpec | None":
    if not patterns:
        return None
    from pathspec import GitIgnoreSpec  # 30 ms that most runs do not need

    return GitIgnoreSpec.from_lines(patterns)
