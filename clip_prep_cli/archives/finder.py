"""Sources of a set, found again: files, and the members of archives as these are now."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, NamedTuple, TypeVar

from clip_prep_cli.archives.archive import Archive, is_archive, plain_name, split
from clip_prep_cli.archives.damage import Damage
from clip_prep_cli.archives.parts import Part, Streamed
from clip_prep_cli.archives.spool import Spool
from clip_prep_cli.plan import shards
from clip_prep_cli.records import Sample
from clip_prep_cli.remote.access import is_url
from clip_prep_cli.remote.listing import look_at_file
from clip_prep_cli.roots import joined

T = TypeVar("T")

_AT_ONCE = 512


class Found(NamedTuple, Generic[T]):
    """Where the bytes of a source are now; None: nowhere."""

    key: T
    """Of what was asked for."""
    source: str | Part | None
    mtime_ns: int | None = None
    """Of the archive that it is in."""


class Some(NamedTuple, Generic[T]):
    """Some of the sources that were asked for."""

    found: tuple[Found[T], ...]
    passing: bool
    """Whether they can be read only until the next ones are asked for."""


def find(roots: Sequence[str], wanted: Iterable[tuple[T, Sample]], most: int) -> Iterator[Some[T]]:
    """The sources of samples, some at a time.

    Each archive is read once, and of a compressed one only so much is on disk at a time. Nothing of
    more than `most` bytes is copied.
    """
    in_archives: dict[str, dict[str, T]] = {}

    def on_disk() -> Iterator[Found[T]]:
        for key, sample in wanted:
            root = roots[sample.root]
            place = split(root, sample.path)
            if place is None or is_archive(sample.path):  # an archive is no image itself
                yield Found(key, None)
            elif place.archive is None:
                yield Found(key, joined(root, sample.path))
            else:
                in_archives.setdefault(joined(root, place.archive), {})[place.member] = key

    for some in shards(on_disk(), _AT_ONCE):
        yield Some(some, passing=False)
    for archive, keys in in_archives.items():
        with (
            TemporaryDirectory(prefix="clip-prep-") as directory,
            Spool(Path(directory), most) as spool,
        ):
            for number, some in enumerate(shards(_in_archive(archive, keys, spool), _AT_ONCE)):
                yield Some(some, passing=True)
                spool.release(number)


def _in_archive(path: str, keys: dict[str, T], spool: Spool) -> Iterator[Found[T]]:
    """The members of an archive that have a key; of what is behind a damage nothing is known."""
    count = 0
    with suppress(Damage, OSError):
        stamp = look_at_file(path).mtime_ns if is_url(path) else os.stat(path).st_mtime_ns
        for member, part in Archive(path, stamp):
            name = plain_name(member.name)
            if member.kind != "file" or name not in keys:
                continue
            source = spool.keep(part, count // _AT_ONCE) if isinstance(part, Streamed) else part
            yield Found(keys.pop(name), source, stamp)
            count += 1
            if not keys:
                return
    yield from (Found(key, None) for key in keys.values())
