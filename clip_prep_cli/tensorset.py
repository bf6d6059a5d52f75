"""An output directory while a run writes to it: what is committed, and how more is.

A shard's index is renamed into place last: that is the commit. Whatever is not committed when a
run begins is removed and made again.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from clip_prep_cli.contents import Contents, load
from clip_prep_cli.durable import make_directory, sync_directory, write_atomically
from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.manifest import (
    FAILURES,
    MANIFEST,
    Era,
    Manifest,
    ShardEntry,
    index_file,
    now,
    read_manifest,
)
from clip_prep_cli.pace import Pace
from clip_prep_cli.records import Failure, Record, Sample
from clip_prep_cli.settings import SetSettings
from clip_prep_cli.shards import FileSum, Shard
from clip_prep_cli.versions import Change, decisive_changes

_MANIFEST_SECONDS = 10.0
_FEW_FAILURES = 256
"""So few are written in less time than a shard's files take to sync."""

_OURS = re.compile(
    r"(shard-\d{6,}\.(npy|pt|jsonl)|manifest\.json|failures\.jsonl)(\.\d+\.partial)?"
)
_FOLDERS = re.compile(r"\d+px|index")


class _Sealed(NamedTuple):
    """A shard that is committed once its index, these lines, is written."""

    entry: ShardEntry
    lines: bytes
    samples: list[Sample]


class TensorSet:
    """The committed state of a set, in memory and on disk. The caller holds the lock."""

    def __init__(self, directory: Path, settings: SetSettings, manifest: Manifest | None) -> None:
        """A new set, or, with its `manifest`, one that is there; see `open_set`."""
        self.directory = directory
        self.settings = settings
        self.contents = Contents()
        self.generator: Mapping[str, str] = manifest.generator if manifest else {}
        self.history = list(manifest.history) if manifest else []
        self.complete = manifest is not None and manifest.complete
        """Whether the last run got through, for the manifest."""
        self.retry_from = manifest.retry_from if manifest else None
        """The first shard of a --retry-failed that is under way or was stopped."""
        self._created = manifest.created if manifest else now()
        self._manifest_pace = Pace(_MANIFEST_SECONDS)
        self._failures_pace = Pace()
        self._failures_changed = False
        self._sealed: deque[_Sealed] = deque()
        self._roots_written = 0
        self.concluded = manifest is not None and manifest.failures is not None
        """Whether the last run on it had come to an end, whichever."""

    def introduce(self, generator: Mapping[str, str]) -> list[Change]:
        """Say what makes the next shards; in what that differs from what made the last ones."""
        converted = [era.generator for era in self.history if era.action == "convert"]
        self.generator = generator
        return decisive_changes(converted[-1], generator) if converted else []

    def disown(self) -> None:
        """Give up the set that is in the directory: without a manifest there is none.

        Raises:
            OSError: it cannot be removed.
        """
        (self.directory / MANIFEST).unlink(missing_ok=True)
        (self.directory / FAILURES).unlink(missing_ok=True)
        sync_directory(self.directory)

    def uncommitted(self) -> list[Path]:
        """What lies in the directory that a run has left which was cut short."""
        committed = {MANIFEST, FAILURES}
        for entry in self.contents.shards.values():
            committed.update(entry.files)
        files = own_files(self.directory)
        return [path for path in files if str(path.relative_to(self.directory)) not in committed]

    def begin(self, *, complete: bool = False) -> None:
        """Remove what is not committed (partial files, shards without an index, their failures).

        `complete` is what the set is until the run concludes.

        Raises:
            OSError: a file cannot be removed or written.
        """
        self.complete = complete
        self._remove(self.uncommitted())
        for folder in own_folders(self.directory):  # of a set of other resolutions, once
            with suppress(OSError):
                folder.rmdir()
        make_directory(self.directory / "index")
        self._write_manifest()
        if (self.directory / FAILURES).exists():
            self._write_failures()  # before a shard is made whose number stale lines bear

    def commit(
        self, shard: Shard, results: Sequence[Record | Failure], action: str = "convert"
    ) -> None:
        """Seal a shard: its tensors, then the failures, then the index, each durable.

        With many failures, of which the list is written as a whole, several shards wait for one
        writing of it: see `flush`.

        Raises:
            OSError: something cannot be written; the shard is not committed then.
        """
        self._enter_era(shard.number, action)
        kept = [row for row, result in enumerate(results) if isinstance(result, Record)]
        self._commit_sealed(shard.number, shard.seal(kept), results)

    def commit_sealed(
        self, number: int, files: Mapping[str, FileSum], results: Sequence[Record | Failure]
    ) -> None:
        """Commit a shard of which the tensors are sealed already, by another process.

        Raises:
            OSError: something cannot be written; the shard is not committed then.
        """
        self._enter_era(number, "convert")
        self._commit_sealed(number, files, results)

    def _commit_sealed(
        self, number: int, tensors: Mapping[str, FileSum], results: Sequence[Record | Failure]
    ) -> None:
        records = [result for result in results if isinstance(result, Record)]
        lines = "".join(f"{record.to_json(row)}\n" for row, record in enumerate(records)).encode()
        files = {**tensors, index_file(number): FileSum.of(lines)}
        entry = ShardEntry(number, len(records), files)
        self._failures_changed |= self.contents.note(results)
        self._sealed.append(_Sealed(entry, lines, [record.sample for record in records]))
        few = len(self.contents.failures) <= _FEW_FAILURES
        if few or not self._failures_changed or self._failures_pace.is_due():
            self.flush()

    def flush(self) -> None:
        """Commit the shards that are sealed and wait for the list of failures to be written.

        Raises:
            OSError: something cannot be written; a shard that is not committed goes on waiting.
        """
        if self._failures_changed:
            self._write_failures()
        while self._sealed:
            entry, lines, samples = self._sealed[0]
            if self._roots_written != len(self.contents.roots.paths):  # a list has led elsewhere
                self._write_manifest()
            write_atomically(self.directory / entry.index, lines)
            self._sealed.popleft()
            self.contents.add(entry, ((sample, 0) for sample in samples))
            if self._manifest_pace.is_due():
                self._write_manifest()

    def drop(self, numbers: Sequence[int]) -> None:
        """Remove shards that have no live row; at least one shard must stay.

        Raises:
            OSError: a file cannot be written or removed.
        """
        files = [name for number in numbers for name in self.contents.shards[number].files]
        self.contents.drop(numbers)
        self._write_failures()
        self._write_manifest()  # before what readers look for is gone
        self._remove([self.directory / name for name in files])

    def conclude(self, *, complete: bool) -> None:
        """Write the end of a run down.

        Raises:
            OSError: it cannot be written.
        """
        if complete:
            self._drop_empty_end()
            self.retry_from = None
        self.complete = complete
        self._write_manifest(self._write_failures())

    def _remove(self, paths: Sequence[Path]) -> None:
        """Remove files for good: nothing of them may come back after a power cut."""
        for path in sorted(paths, key=lambda path: path.suffix != ".jsonl"):
            path.unlink()  # the indexes first: without one there is no shard
        for folder in {path.parent for path in paths}:
            sync_directory(folder)

    def _enter_era(self, number: int, action: str) -> None:
        # Of later ones no shard is there: dropped at the end of a run, or never committed.
        history = [era for era in self.history if era.from_shard < number]
        if not history or (history[-1].action, history[-1].generator) != (action, self.generator):
            history.append(Era(number, now(), action, self.generator))
        if len(history) != len(self.history) or history[-1] != self.history[-1]:
            self.history = history
            self._write_manifest()  # before the shard: nothing else says what made it

    def _drop_empty_end(self) -> None:
        """Without this, each run in which everything fails again would leave an empty shard."""
        shards = self.contents.shards
        empty: list[int] = []
        for number in sorted(shards, reverse=True):
            if shards[number].samples or len(empty) == len(shards) - 1:
                break
            empty.append(number)
        if empty:
            self.drop(empty)

    def _write_failures(self) -> FileSum:
        with self._failures_pace.timed():
            every = [*sorted(self.contents.failures.values()), *sorted(self.contents.unplaced)]
            content = "".join(f"{failure.to_json()}\n" for failure in every).encode()
            write_atomically(self.directory / FAILURES, content)
        self._failures_changed = False
        return FileSum.of(content)

    def _write_manifest(self, failures: FileSum | None = None) -> None:
        shards = self.contents.shards
        manifest = Manifest(
            settings=self.settings,
            created=self._created,
            updated=now(),
            complete=self.complete,
            generator=self.generator,
            history=self.history,
            roots=self.contents.roots.paths,
            counts=self.contents.counts(),
            shards=[shards[number] for number in sorted(shards)],
            retry_from=self.retry_from,
            failures=failures,
        )
        with self._manifest_pace.timed():
            manifest.write(self.directory)
        self._roots_written = len(manifest.roots)


def open_set(
    directory: Path, settings: SetSettings | None = None, *, checksums: bool = False
) -> TensorSet:
    """The set in `directory`, or, if there is nothing and `settings` are given, a new one.

    Raises:
        CannotContinueError: it is a set of other settings, or damaged, or no set at all.
        OSError: it cannot be read.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        if settings is None or any(path.suffix != ".partial" for path in own_files(directory)):
            raise CannotContinueError(
                f"{directory} has no {MANIFEST}, so it is no set of clip-prep.",
                "Check the path; a set that lost its manifest needs it back, or --overwrite.",
            )
        return TensorSet(directory, settings, None)
    if settings and (differences := settings.differences(manifest.settings)):
        raise CannotContinueError(
            f"{directory} holds a set with other settings; asked for:",
            "Use the set's settings, or another --out, or --overwrite to start it anew.",
            tuple(differences),
        )
    tensors = TensorSet(directory, manifest.settings, manifest)
    tensors.contents = load(directory, manifest, checksums=checksums)
    return tensors


def own_files(directory: Path) -> list[Path]:
    """The files in `directory` that clip-prep made, by their names and places."""
    if not directory.is_dir():
        return []
    found = [directory, *own_folders(directory)]
    return [path for folder in found for path in folder.iterdir() if is_own(path, directory)]


def own_folders(directory: Path) -> list[Path]:
    """The folders in `directory` that bear a name of clip-prep's."""
    folders = [path for path in directory.iterdir() if path.is_dir() and not path.is_symlink()]
    return [folder for folder in folders if _FOLDERS.fullmatch(folder.name)]


def is_own(path: Path, directory: Path) -> bool:
    """Whether what lies in `directory`, or in a folder of it, bears a name of clip-prep's."""
    inside = path.parent == directory or _FOLDERS.fullmatch(path.parent.name)
    return bool(inside and _OURS.fullmatch(path.name))
