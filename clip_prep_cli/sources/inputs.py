"""What to convert: walk the inputs in sorted order, lazily, and say what was passed over."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain

from xxhash import xxh3_128_digest

from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.samples.roots import Roots, innermost
from clip_prep_cli.sources.archive_walk import ArchiveWalk
from clip_prep_cli.sources.archives.archive import access_to, is_archive
from clip_prep_cli.sources.remote_inputs import RemoteInputs
from clip_prep_cli.sources.remote_walk import RemoteWalk
from clip_prep_cli.sources.selection import Selection, Sieve
from clip_prep_cli.sources.walk import Bounds, Walk, identity
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE
from clip_prep_cli.storage.stores import place_of
from clip_prep_cli.storage.urls import checked, is_url, origin


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
    patience: float = DEFAULT_PATIENCE
    """Seconds for which a store that does not answer is asked again."""
    to_prune: bool = False
    """Whether somebody will ask what is gone."""
    on_waiting: Callable[[str], None] = lambda _: None
    """Told why nothing happens for a while."""


class Source:
    """The samples of the inputs.

    Iterating yields each sample once, however the inputs overlap, in an order that depends on
    the names alone; what cannot be listed or is not there comes as a failure in its place.
    """

    def __init__(self, inputs: Inputs, selection: Selection, roots: Roots) -> None:
        self.patience = inputs.patience
        self._remote = RemoteInputs(inputs.patience, inputs.should_stop, inputs.on_waiting)
        known = self._remote.named(name for name in inputs.named if is_url(name))
        # What a store had not been asked about when the run was stopped is left out.
        self._inputs = tuple(
            name
            for name in dict.fromkeys(map(_absolute, inputs.named))
            if name in known or not is_url(name)
        )
        self._known = {name: stat for name, stat in known.items() if stat}
        self._listed = inputs.listed
        self._directories = {
            name
            for name in self._inputs
            if (name not in self._known if is_url(name) else os.path.isdir(name))
        }
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
        opening = partial(access_to, patience=inputs.patience, should_stop=inputs.should_stop)
        self._in_archive = ArchiveWalk(sieve, inputs.should_stop, opening).samples
        self._archives = set(filter(is_archive, self._files))
        self._walk_here = Walk(sieve, roots, bounds, inputs.should_stop).samples
        self._walk_there = RemoteWalk(sieve, roots, bounds, self._remote.asking, inputs)

    def covers(self, path: str) -> bool:
        """Whether an absolute path lies in a directory that is walked, or in a named archive."""
        return any(
            innermost(path, tops) is not None for tops in (self._directories, self._archives)
        )

    def is_gone(self, path: str) -> bool:
        """Whether what lay at a path that is covered has certainly been deleted.

        The walk must be over; of URLs, only it knows.
        """
        return self._walk_there.is_gone(path) if is_url(path) else is_gone(path)

    def _walk(self, directory: str) -> Iterator[Sample | Failure]:
        walk = self._walk_there.samples if is_url(directory) else self._walk_here
        return walk(directory)

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
        for name, known in self._remote.listed(names):
            path = _absolute(name)
            # Not the folder of each file: of those a list may have a million.
            top = origin(path) if is_url(path) else os.sep
            self._roots.add(path, here if _within(path, here) else top)
            if known:
                found = self._remote.sample(path, self._roots.locate(path), known)
                yield from self._found(found, path)
            elif is_url(path) or os.path.isdir(path):
                self._directories.add(path)
                yield from self._walk(path)
            else:
                yield from self._named(path)

    def _named(self, name: str) -> Iterator[Sample | Failure]:
        root, path = self._roots.locate(name)
        if name in self._known:
            yield from self._found(Sample(root, path, *self._known[name]), name)
            return
        try:
            stat = os.stat(name)
        except OSError as error:
            why = error.strerror
            if name.endswith("\r"):
                why = f"{why}; its name ends as the lines of Windows do"
            yield Failure(Sample(root, path, 0, 0), "unreadable", f"cannot be read: {why}", None)
            return
        yield from self._found(Sample(root, path, stat.st_size, stat.st_mtime_ns), name)

    def _found(self, found: Sample | Failure, name: str) -> Iterator[Sample | Failure]:
        """A named file, or, if it is an archive, what is in it."""
        if isinstance(found, Sample) and is_archive(name):
            self._archives.add(name)
            yield from self._in_archive(found, name, os.path.basename(name))
        else:
            yield found


def is_remote(name: str) -> bool:
    """Whether an input is at a URL; what is there is for the walk to find out.

    Raises:
        UsageError: it holds a secret, or nothing reads that kind of URL.
        CannotContinueError: a package for that kind is not installed.
    """
    if is_url(name):
        place_of(checked(name))
    return is_url(name)


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(os.path.join(directory, ""))


def _absolute(name: str) -> str:
    if is_url(name):
        return checked(name)
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
