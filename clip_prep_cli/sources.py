"""What to convert: walk the inputs in sorted order, lazily, and say what was passed over."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from xxhash import xxh3_128_digest

from clip_prep_cli.archive import is_archive
from clip_prep_cli.archived import ArchiveWalk
from clip_prep_cli.records import Failure, Sample
from clip_prep_cli.roots import Roots, innermost
from clip_prep_cli.selection import Selection, Sieve
from clip_prep_cli.walk import Bounds, Walk, identity


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
        self._directories = set(filter(os.path.isdir, self._inputs))
        self._files = {*self._inputs} - self._directories
        self._roots = roots
        for name in self._inputs:
            directory = name if name in self._directories else os.path.dirname(name)
            roots.add(directory, directory)
        sieve = Sieve(selection)
        self.ignored = sieve.ignored
        """What a walk passed over, by suffix or by kind; grows with it."""
        output = identity(inputs.avoid) if inputs.avoid else None
        bounds = Bounds(self._directories, self._files, output)
        self._walk = Walk(sieve, roots, bounds, inputs.should_stop).samples
        self._in_archive = ArchiveWalk(sieve, inputs.should_stop).samples
        self._archives = set(filter(is_archive, self._files))

    def covers(self, path: str) -> bool:
        """Whether an absolute path lies in a directory that is walked, or in a named archive."""
        return any(
            innermost(path, tops) is not None for tops in (self._directories, self._archives)
        )

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
                yield from self._named(name)

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
                yield from self._named(path)

    def _named(self, name: str) -> Iterator[Sample | Failure]:
        root, path = self._roots.locate(name)
        try:
            stat = os.stat(name)
        except OSError as error:
            why = error.strerror
            if name.endswith("\r"):
                why = f"{why}; its name ends as the lines of Windows do"
            yield Failure(Sample(root, path, 0, 0), "unreadable", f"cannot be read: {why}", None)
            return
        sample = Sample(root, path, stat.st_size, stat.st_mtime_ns)
        if is_archive(name):
            self._archives.add(name)
            yield from self._in_archive(sample, name, os.path.basename(name))
        else:
            yield sample


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
