"""Sources of a set, found again: files, and the members of archives as these are now."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, NamedTuple, TypeVar

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.grouping import shards
from clip_prep_cli.samples.parts import Part, Streamed
from clip_prep_cli.samples.records import Sample
from clip_prep_cli.samples.roots import Identity, Roots, joined
from clip_prep_cli.sources.archives.archive import files_in, split
from clip_prep_cli.sources.archives.kinds import is_archive
from clip_prep_cli.sources.archives.spool import Spool
from clip_prep_cli.sources.files import files_of

T = TypeVar("T")

_AT_ONCE = 512


class FoundSource(NamedTuple, Generic[T]):
    """Where the bytes of a source are now; None: nowhere."""

    key: T
    """Of what was asked for."""
    source: str | Part | None
    mtime_ns: int | None = None
    """Of the archive that it is in."""


class FoundSources(NamedTuple, Generic[T]):
    """Some of the sources that were asked for."""

    found: tuple[FoundSource[T], ...]
    passing: bool
    """Whether they can be read only until the next ones are asked for."""


def find(
    roots: Sequence[str], wanted: Iterable[tuple[T, Sample]], most: int
) -> Iterator[FoundSources[T]]:
    """The sources of samples, some at a time.

    Each archive is read once, and of a compressed one only so much is on disk at a time. Nothing of
    more than `most` bytes is copied.
    """
    in_archives: dict[str, dict[str, T]] = {}

    def on_disk() -> Iterator[FoundSource[T]]:
        for key, sample in wanted:
            root = roots[sample.root]
            place = split(root, sample.path)
            if place is None or is_archive(sample.path):  # an archive is no image itself
                yield FoundSource(key, None)
            elif place.archive is None:
                yield FoundSource(key, joined(root, sample.path))
            else:
                in_archives.setdefault(joined(root, place.archive), {})[place.member] = key

    for some in shards(on_disk(), _AT_ONCE):
        yield FoundSources(some, passing=False)
    for archive, keys in in_archives.items():
        with (
            TemporaryDirectory(prefix="clip-prep-") as directory,
            Spool(Path(directory), most) as spool,
        ):
            for number, some in enumerate(shards(_in_archive(archive, keys, spool), _AT_ONCE)):
                yield FoundSources(some, passing=True)
                spool.release(number)


def _in_archive(path: str, keys: dict[str, T], spool: Spool) -> Iterator[FoundSource[T]]:
    """The members of an archive that have a key; of what is behind a damage nothing is known."""
    count = 0
    with suppress(ImageError, OSError):
        stamp = files_of(path).stat(path).mtime_ns
        for name, part in files_in(path, stamp):
            if name not in keys:
                continue
            source = spool.keep(part, count // _AT_ONCE) if isinstance(part, Streamed) else part
            yield FoundSource(keys.pop(name), source, stamp)
            count += 1
            if not keys:
                return
    yield from (FoundSource(key, None) for key in keys.values())


def gone(
    identities: Iterable[Identity], roots: Roots, is_gone: Callable[[str], bool]
) -> Iterator[Identity]:
    """Those of the images that are not there any more.

    A member is gone if its archive is, or if that is whole and does not have it. `is_gone` tells
    of files, by paths or URLs.
    """
    members: dict[Identity, list[str]] = {}
    for root, path in identities:
        place = split(roots.paths[root], path)
        if place is None:
            continue
        if place.archive is not None:
            members.setdefault((root, place.archive), []).append(place.member)
        elif is_gone(roots.join(root, path)):
            yield root, path
    for (root, archive), names in members.items():
        path = roots.join(root, archive)
        for name in names if is_gone(path) else _absent(path, names):
            yield root, f"{archive}/{name}"


def _absent(archive: str, names: Iterable[str]) -> Iterable[str]:
    absent = dict.fromkeys(names)
    try:
        for name, _ in files_in(archive, 0):
            absent.pop(name, None)
    except ImageError:
        return ()
    return absent
