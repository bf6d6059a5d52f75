"""What a set holds, whether it is sound, and ways to spoil it, for the tests of whole sets."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from xxhash import xxh3_64_hexdigest, xxh3_128_hexdigest

from clip_prep_cli.inspection.faults import Fault
from clip_prep_cli.inspection.verify import verify
from clip_prep_cli.samples.records import Record
from clip_prep_cli.samples.roots import Identity
from clip_prep_cli.sets.layout import FileSum, rows_begin
from clip_prep_cli.sets.manifest import Manifest, read_manifest
from clip_prep_cli.sets.stored import StoredRows
from clip_prep_cli.sets.tensorset import open_set
from clip_prep_cli.storage.local import LocalStorage
from tests.support.command import clip_prep, customized

Contents = list[tuple[str, bytes]]
"""Folder and content of files."""

LEFT = "left by a run"
"""How the problem of what a killed run has left begins."""


def manifest_of(out: Path) -> Manifest:
    """The manifest of a set, as the package reads it."""
    manifest = read_manifest(LocalStorage(out))
    assert manifest
    return manifest


def change_manifest(out: Path, **fields: Any) -> None:
    """Write the manifest anew with other `fields`, signed as it should be."""
    replace(manifest_of(out), **fields).write(LocalStorage(out))


def change_file(out: Path, name: str, content: bytes) -> None:
    """Give a file that is named by its shard's entry other content, and the manifest its sum."""
    (out / name).write_bytes(content)
    shards = manifest_of(out).shards
    for entry in shards:
        if name in entry.files:
            entry.files[name] = FileSum(len(content), xxh3_128_hexdigest(content))
    change_manifest(out, shards=shards)


def forge_row(out: Path, file: str, row: int, row_bytes: int) -> None:
    """Spoil a row, with its checksum in the index and that of the index in the manifest."""
    before = read_row(out / file, row, row_bytes)
    after = bytes(byte ^ 1 for byte in before)
    with open(out / file, "r+b") as tensors:
        tensors.seek(rows_begin(LocalStorage(out), file) + row * row_bytes)
        tensors.write(after)
    name = f"index/{Path(file).stem}.jsonl"
    old, new = (xxh3_64_hexdigest(data).encode() for data in (before, after))
    change_file(out, name, (out / name).read_bytes().replace(old, new))


def read_row(path: Path, row: int, row_bytes: int) -> bytes:
    """A row of a tensor file."""
    with open(path, "rb") as tensors:
        tensors.seek(rows_begin(LocalStorage(path.parent), path.name) + row * row_bytes)
        return tensors.read(row_bytes)


@contextmanager
def flipped(path: Path, at: int, bit: int = 0) -> Iterator[None]:
    """While a bit of the byte `at` is wrong."""
    _flip(path, at, bit)
    try:
        yield
    finally:
        _flip(path, at, bit)


def _flip(path: Path, at: int, bit: int) -> None:
    file = os.open(path, os.O_RDWR)
    os.pwrite(file, bytes([os.pread(file, 1, at)[0] ^ 1 << bit]), at)
    os.close(file)


def faults(out: Path, sources: int = 0) -> list[Fault]:
    """What the package finds wrong with a set."""
    return list(verify(LocalStorage(out), sources, 1, lambda *_: None).faults)


def live(out: Path) -> Mapping[Identity, tuple[Record, list[bytes]]]:
    """Record and rows of every image of a set, which must have their checksums."""
    tensors, stored = open_set(LocalStorage(out)), StoredRows(LocalStorage(out))
    found = {}
    for identity in tensors.contents.live:
        shard, row = tensors.contents.live[identity][:2]
        record = stored.record(shard, row)
        layouts = tensors.settings.layouts
        found[identity] = record, [stored.row(at, shard, row, record) for at in layouts]
    return found


def contents(out: Path) -> Contents:
    """The tensor files and the indexes in order, each with its folder, without their numbers."""
    files = sorted(out.glob("*/shard-*"))
    return [(path.parent.name, path.read_bytes()) for path in files]


def stamps(out: Path) -> dict[Path, tuple[int, int]]:
    """Which file is where in a set, and when it was written."""
    stats = {path: path.stat() for path in out.rglob("*") if path.is_file()}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


_AT = """
import atexit, os

names = os.environ["OPERATIONS"].split()
turns = 0

def counted(operation):
    def wrapped(*arguments, **options):
        global turns
        if turns == int(os.environ["AT"]):
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
        turns += 1
        return operation(*arguments, **options)
    return wrapped

for name in names:
    setattr(os, name, counted(getattr(os, name)))
atexit.register(lambda: print("turns", turns))
"""
OPERATIONS = "replace fsync unlink pwrite posix_fallocate ftruncate"


def compact_until(out: Path, at: int, signal: int, operations: str = OPERATIONS) -> int:
    """Compact until the signal comes just before an operation; how many operations there were."""
    env = customized(out.parent / "hook", _AT)
    env |= {"OPERATIONS": operations, "AT": str(at), "SIGNAL": str(signal)}
    status = {0: 0, 9: -9, 2: 130}[signal]
    last = clip_prep("compact", out, "-q", status=status, env=env).stdout.split()[-1:]
    return int(last[0]) if signal != 9 else at
