"""Rewrite a set into full shards without superseded rows, in the order of a fresh run.

New shards are committed beside the old ones, so at every moment the set is whole: until the end
it has some rows twice, of which the newer is the live one.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from clip_prep_cli.errors import ClipPrepError, UsageError
from clip_prep_cli.samples import grouping
from clip_prep_cli.samples.roots import Identity
from clip_prep_cli.sets.contents import Contents
from clip_prep_cli.sets.names import LOCK
from clip_prep_cli.sets.shard import Shard
from clip_prep_cli.sets.stored import StoredRows
from clip_prep_cli.sets.tensorset import TensorSet, open_set
from clip_prep_cli.sources.archives.kinds import is_archive
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.urls import copy_hint
from clip_prep_cli.storage.wrappers import Pretending

Group = tuple[Identity, ...]


@dataclass(frozen=True)
class Compaction:
    """What compacting a set did, or, if it was a dry run, would do; in the order of its JSON."""

    directory: Storage
    complete: bool
    dry_run: bool
    rows: int
    """Live rows of the set."""
    written: int
    """Rows that were copied to new shards."""
    shards_before: int
    shards_after: int
    bytes_before: int
    bytes_after: int
    seconds: float


class Observer(NamedTuple):
    """Who is told of how many rows how many are written, and who can end it early."""

    on_progress: Callable[[int, int], None] = lambda *_: None
    should_stop: Callable[[], bool] = lambda: False


def compact(directory: Storage, observer: Observer, *, dry_run: bool = False) -> Compaction:
    """Compact the set in `directory`.

    Raises:
        UsageError: it is at a URL.
        BusyError: a run writes to it.
        CannotContinueError: it is no set, or damaged, or there is no space for a shard.
    """
    if directory.here is None:
        raise UsageError(
            f"{directory} is a URL; compacting would download and upload the whole set.",
            f"Copy it here with {copy_hint(str(directory))}, compact that, and upload it to a new "
            "URL.",
        )
    began = time.monotonic()
    with directory.locked(LOCK) as held:
        tensors = open_set(Pretending(held) if dry_run else held)
        contents = tensors.contents
        before = {number: entry.samples for number, entry in contents.shards.items()}
        kept, groups = _plan(contents, tensors.settings.shard_size)
        written = list(map(len, groups))
        complete = True
        clean = tensors.concluded and not tensors.uncommitted()
        if not dry_run and (written or len(kept) < len(before) or not clean):
            old = sorted(set(before) - set(kept))
            complete = _rewrite(tensors, directory.here, groups, old, observer)
    after = [*(before[number] for number in kept), *written]
    return Compaction(
        directory=directory,
        rows=len(contents.live),
        written=sum(written),
        shards_before=len(before),
        shards_after=len(after),
        bytes_before=_tensor_bytes(tensors, before.values()),
        bytes_after=_tensor_bytes(tensors, after),
        seconds=time.monotonic() - began,
        complete=complete,
        dry_run=dry_run,
    )


def _tensor_bytes(tensors: TensorSet, shards: Iterable[int]) -> int:
    return sum(layout.file_bytes(rows) for rows in shards for layout in tensors.settings.layouts)


def _plan(contents: Contents, shard_size: int) -> tuple[list[int], list[Group]]:
    """The shards that are as they should be, and the rows of those to write."""
    order = sorted(contents.live, key=_walk_order)
    groups = list(grouping.shards(order, shard_size))
    if contents.shards and not groups:
        groups = [()]  # one shard stays, for the failures
    kept: list[int] = []
    for number in sorted(contents.shards):
        if len(kept) == len(groups):
            break
        found = [contents.live[identity] for identity in groups[len(kept)]]
        rows = range(contents.shards[number].samples)
        if [(live.shard, live.row) for live in found] == [(number, row) for row in rows]:
            kept.append(number)
    if kept and len(kept) == len(groups) and kept[-1] != max(contents.shards):
        kept.pop()  # the last shard must not go: what lies above it counts as newly committed
    return kept, groups[len(kept) :]


def _walk_order(identity: Identity) -> tuple[int, list[bytes]]:
    """The order in which a walk of the roots meets images; see `sources`.

    All members of an archive are alike, so that sorting leaves them in the archive's order.
    """
    root, path = identity
    names = path.split("/")
    archives = (at for at, name in enumerate(names, 1) if is_archive(name))
    return root, [os.fsencode(name) for name in names[: next(archives, None)]]


def _rewrite(
    tensors: TensorSet, scratch: Path, groups: list[Group], old: list[int], observer: Observer
) -> bool:
    """Write the new shards and remove the old; whether it got through."""
    was_complete = tensors.complete
    tensors.retry(failed=False)  # failures are going to be those of other shards
    tensors.begin(complete=was_complete)
    try:
        written = _write(tensors, scratch, groups, observer)
        if written and old:
            tensors.drop(old)
    except (ClipPrepError, OSError):
        with suppress(OSError):  # of a disk that is full; what stopped it matters more
            tensors.conclude(complete=was_complete)
        raise
    tensors.conclude(complete=was_complete)
    return written


def _write(tensors: TensorSet, scratch: Path, groups: Sequence[Group], observer: Observer) -> bool:
    stored = StoredRows(tensors.directory)
    layouts = tensors.settings.layouts
    done, total = 0, sum(map(len, groups))
    for group in groups:
        number = tensors.contents.next_number
        tensors.directory.check()
        shard = Shard(scratch, number, len(group), layouts)
        records = []
        try:
            for row, identity in enumerate(group):
                if observer.should_stop():
                    return False
                live = tensors.contents.live[identity]
                record = stored.record(live.shard, live.row)
                for layout in layouts:
                    data = stored.row(layout, live.shard, live.row, record)
                    shard.write(layout, row, data)
                records.append(record)
                done += 1
                observer.on_progress(done, total)
            tensors.commit_copied(shard, records)
        finally:
            shard.discard()
    return True
