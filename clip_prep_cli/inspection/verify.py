"""Check a set: its files against its checksums, and some rows against their sources."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from xxhash import xxh3_64_intdigest

from clip_prep_cli.errors import DamagedError
from clip_prep_cli.inspection.faults import Fault, strangers, wrong_failures, wrong_in_shard
from clip_prep_cli.inspection.recheck import SourceCheck, choose, recheck
from clip_prep_cli.sets.manifest import Manifest, ShardEntry, manifest_of
from clip_prep_cli.sets.names import MANIFEST
from clip_prep_cli.storage.interface import Storage

_ATTEMPTS = 3
_REMOTE_SHARDS_AT_ONCE = 4
"""Each is read ahead, which takes up to 40 MB."""


@dataclass(frozen=True)
class Verification:
    """What was found."""

    directory: Storage
    faults: tuple[Fault, ...]
    seconds: float = 0.0
    shards: int = 0
    rows: int = 0
    bytes: int = 0
    sources: SourceCheck | None = None
    complete: bool | None = None
    """Whether the last run on the set got through; None if the manifest cannot tell."""


def verify(
    directory: Storage, sources: int, workers: int, on_progress: Callable[[int, int], None]
) -> Verification:
    """Check the set in `directory`, and make `sources` of its rows anew to compare them.

    `on_progress` is told of how many rows how many are checked.

    Raises:
        CannotContinueError: it is no set, or of another format version.
        OSError: it cannot be read.
    """
    began = time.monotonic()
    for _ in range(_ATTEMPTS):
        version = _version(directory)
        found = _verify(directory, sources, workers, on_progress)
        # A run may have ended, or compacting removed old shards, since the manifest was read.
        if not found.faults or _version(directory) == version:
            break
    return replace(found, seconds=time.monotonic() - began)


def _verify(
    directory: Storage, sources: int, workers: int, on_progress: Callable[[int, int], None]
) -> Verification:
    try:
        manifest = manifest_of(directory)
    except DamagedError as error:
        return Verification(directory, (Fault(MANIFEST, None, None, error.lines[0]),))
    rows = sum(entry.samples for entry in manifest.shards)
    total = rows + min(sources, manifest.counts.samples)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        on_progress(done, total)

    def check_shard(entry: ShardEntry) -> list[Fault]:
        return list(wrong_in_shard(directory, manifest, entry))

    at_once = workers if directory.here else _REMOTE_SHARDS_AT_ONCE
    faults = [*strangers(directory, manifest), *wrong_failures(directory, manifest)]
    with ThreadPoolExecutor(at_once) as threads:
        checked = threads.map(check_shard, manifest.shards)
        for entry, found in zip(manifest.shards, checked, strict=True):
            faults += found
            advance(entry.samples)
    check = None
    if sources:
        damaged = {fault.file for fault in faults}
        sound = [entry for entry in manifest.shards if entry.index not in damaged]
        check = recheck(directory, manifest, choose(sound, sources), workers, advance)
        faults += _wrong_rows(check, manifest)
    return Verification(
        directory,
        tuple(faults),
        shards=len(manifest.shards),
        rows=rows,
        bytes=sum(file.size for entry in manifest.shards for file in entry.files.values()),
        sources=check,
        complete=manifest.complete,
    )


def _version(directory: Storage) -> int | None:
    """What differs once the manifest has been replaced."""
    try:
        return xxh3_64_intdigest(directory.read(MANIFEST))
    except FileNotFoundError:
        return None


def _wrong_rows(check: SourceCheck, manifest: Manifest) -> list[Fault]:
    layouts = {layout.folder: layout for layout in manifest.settings.layouts}
    return [
        Fault(layouts[wrong.folder].file(wrong.shard), wrong.row, wrong.path, wrong.detail)
        for wrong in sorted(check.wrong)
    ]
