"""What to convert: walk the inputs in sorted order, lazily, and say what was passed over."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple, Self

from xxhash import xxh3_128_digest

from clip_prep_cli.formats import SUFFIXES
from clip_prep_cli.records import Failure, Sample
from clip_prep_cli.roots import Roots, innermost

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True)
class Selection:
    """Which files of an input count. Patterns are gitignore's, against the path below the input."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    follow_links: bool = False


@dataclass(frozen=True)
class Inputs:
    """What the user named: existing directories and files, and further ones as they come."""

    named: Iterable[str]
    listed: Iterable[str] | None = None
    """Each may be a directory or a file, or not exist, or come again."""
    avoid: str | None = None
    """A directory that is not walked: the output."""
    should_stop: Callable[[], bool] = lambda: False
    """Asked now and then: the walk ends early if it should."""


class Source:
    """The samples of the inputs.

    Iterating yields each sample once, however the inputs overlap, in an order that depends on
    the names alone; what cannot be listed or is not there comes as a failure in its place.
    """

    def __init__(self, inputs: Inputs, selection: Selection, roots: Roots) -> None:
        self._inputs = tuple(dict.fromkeys(map(_absolute, inputs.named)))
        self._listed = inputs.listed
        self._should_stop = inputs.should_stop
        self._avoided = _identity(inputs.avoid) if inputs.avoid else None
        self._directories = set(filter(os.path.isdir, self._inputs))
        self._files = {*self._inputs} - self._directories
        self._selection = selection
        self._include = _patterns(selection.include)
        self._exclude = _patterns(selection.exclude)
        self._roots = roots
        for name in self._inputs:
            directory = name if name in self._directories else os.path.dirname(name)
            roots.add(directory, directory)
        self.ignored: Counter[str] = Counter()
        """What a walk passed over, by suffix or by kind: `.txt`, `hidden`, `symlink`, ..."""

    def covers(self, path: str) -> bool:
        """Whether an absolute path lies in a directory that is walked."""
        return innermost(path, self._directories) is not None

    def __iter__(self) -> Iterator[Sample | Failure]:
        if self._listed is None:
            yield from self._of_named()
            return
        met: set[bytes] = set()
        for found in chain(self._of_named(), self._of_listed(self._listed)):
            sample = found.sample if isinstance(found, Failure) else found
            # 16 bytes for a name; of all the files there are, no two are likely to share them.
            digest = xxh3_128_digest(
                f"{sample.root}/{sample.path}".encode(errors="surrogateescape")
            )
            if digest not in met:
                met.add(digest)
                yield found

    def _of_named(self) -> Iterator[Sample | Failure]:
        for name in self._inputs:
            if name in self._directories:
                yield from self._walk(name)
            else:
                yield self._named(name)

    def _of_listed(self, names: Iterable[str]) -> Iterator[Sample | Failure]:
        here = os.getcwd()
        for name in names:
            path = _absolute(name)
            # Not the folder of each file: of those a list may have a million.
            self._roots.add(path, here if _within(path, here) else os.sep)
            if os.path.isdir(path):
                self._directories.add(path)
                yield from self._walk(path)
            else:
                yield self._named(path)

    def _named(self, name: str) -> Sample | Failure:
        root, path = self._roots.locate(name)
        try:
            stat = os.stat(name)
        except OSError as error:
            why = error.strerror
            if name.endswith("\r"):
                why = f"{why}; its name ends as the lines of Windows do"
            return Failure(Sample(root, path, 0, 0), "unreadable", f"cannot be read: {why}", None)
        return Sample(root, path, stat.st_size, stat.st_mtime_ns)

    def _walk(self, top: str) -> Iterator[Sample | Failure]:
        if self._avoided and _identity(top) == self._avoided:
            self.ignored["output"] += 1
            return
        # A stack of half-read listings instead of recursion: depth costs no Python frames.
        linked: set[tuple[int, int] | None] = set()
        stack = [(_identity(top), self._listing(_Folder(top, "", linked=False)))]
        while stack:
            item = next(stack[-1][1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, _Folder):
                identity = _identity(item.path)
                # A followed link that leads back to a directory above it would never end; folders
                # that are full of links to each other would have as many paths as orders.
                if identity and identity == self._avoided:
                    self.ignored["output"] += 1
                    continue
                again = item.linked and identity in linked
                if again or any(identity == above for above, _ in stack):
                    self.ignored["repeated link"] += 1
                    continue
                if item.linked:
                    linked.add(identity)
                stack.append((identity, self._listing(item)))
            else:
                yield item

    def _listing(self, folder: "_Folder") -> Iterator["Sample | Failure | _Folder"]:
        """The samples and the subdirectories of one directory, sorted by the bytes of the name."""
        root, below_root = self._roots.locate(folder.path)
        # Joined here once: of a million paths that is most of the work.
        path_to, below_to, root_to = (
            os.path.join(each, "") for each in (folder.path, folder.below, below_root)
        )
        try:
            with os.scandir(folder.path) as found:
                entries = sorted(map(_packed, found))
        except OSError as error:
            sample = Sample(root, below_root or ".", 0, 0)
            yield Failure(sample, "unreadable", f"cannot be listed: {error.strerror}", None)
            return
        for entry in map(_Entry.unpacked, entries):
            if self._should_stop():
                return
            path, below = path_to + entry.name, below_to + entry.name
            if entry.is_directory:
                # A directory that is an input itself is walked as such.
                if path not in self._directories and not self._passed_over(entry, below + "/"):
                    yield _Folder(path, below, folder.linked or entry.is_link)
            elif path not in self._files and self._takes(entry, below):
                yield from self._sample(path, root, root_to + entry.name)

    def _sample(self, path: str, root: int, below: str) -> Iterator[Sample | Failure]:
        try:
            stat = os.stat(path)
        except OSError as error:
            sample = Sample(root, below, 0, 0)
            yield Failure(sample, "unreadable", f"cannot be read: {error.strerror}", None)
            return
        if S_ISREG(stat.st_mode):
            yield Sample(root, below, stat.st_size, stat.st_mtime_ns)
        else:
            self.ignored["special file"] += 1

    def _takes(self, entry: "_Entry", below: str) -> bool:
        suffix = os.path.splitext(entry.name)[1].lower()
        if suffix not in SUFFIXES:
            self.ignored[suffix or "no suffix"] += 1
            return False
        if self._passed_over(entry, below):
            return False
        if self._include and not self._include.match_file(below):
            self.ignored["not included"] += 1
            return False
        return True

    def _passed_over(self, entry: "_Entry", below: str) -> bool:
        if entry.name.startswith(".") and not self._selection.hidden:
            kind = "hidden"
        elif entry.is_link and not self._selection.follow_links:
            kind = "symlink"
        elif self._exclude and self._exclude.match_file(below):
            kind = "excluded"
        else:
            return False
        self.ignored[kind] += 1
        return True


class _Folder(NamedTuple):
    """A directory to walk, its path below the input, and whether a link led there."""

    path: str
    below: str
    linked: bool


class _Entry(NamedTuple):
    """A name in a directory; whether it is a directory is told of what a link leads to."""

    name: str
    is_directory: bool
    is_link: bool

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        return cls(os.fsdecode(packed[:-3]), packed[-2:-1] == b"d", packed[-1:] == b"l")


def _packed(entry: os.DirEntry[str]) -> bytes:
    """An entry in a fifth of an `os.DirEntry`, that sorts by its name: a folder may hold millions.

    No name holds the zero byte that ends it here.
    """
    try:
        directory = entry.is_dir()
    except OSError:  # a symbolic link that cannot be resolved is not one
        directory = False
    kinds = (b"d" if directory else b"-") + (b"l" if entry.is_symlink() else b"-")
    return os.fsencode(entry.name) + b"\0" + kinds


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(os.path.join(directory, ""))


def _absolute(name: str) -> str:
    path = os.path.abspath(name)
    return path[1:] if path.startswith("//") else path  # two slashes stay two, by POSIX


def is_gone(path: str) -> bool:
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
