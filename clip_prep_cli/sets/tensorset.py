"""An output directory while a run writes to it: what is committed, and how more is.

A shard's index is renamed into place last: that is the commit. Whatever is not committed when a
run begins is removed and made again.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from clip_prep_cli.common.versions import Change, decisive_changes, package_versions
from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.samples.records import Failure, Record, Sample
from clip_prep_cli.sets.contents import Contents, load
from clip_prep_cli.sets.layout import FileSum
from clip_prep_cli.sets.manifest import Era, Manifest, ShardEntry, now, read_manifest
from clip_prep_cli.sets.names import (
    FAILURES,
    INDEX,
    MANIFEST,
    index_file,
    is_index,
    is_partial,
    own_files,
    own_folders,
)
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.sets.shard import Shard
from clip_prep_cli.sets.throttle import Pace
from clip_prep_cli.storage.interface import Storage

_MANIFEST_SECONDS = 10.0
_FEW_FAILURES = 256
"""So few are written in less time than a shard's files take to sync."""


class TensorSet:
    """The committed state of a set, in memory and where it is stored. The caller holds the lock.

    Every method that writes raises OSError if it cannot; a shard that it was to commit is then not
    committed, and one that was waiting for `flush` still waits.
    """

    def __init__(
        self,
        directory: Storage,
        settings: SetSettings,
        manifest: Manifest | None = None,
        contents: Contents | None = None,
    ) -> None:
        """A new set, or, with its manifest and contents, one that is there; see `open_set`."""
        self.directory = directory
        self.settings = settings
        self.contents = contents or Contents()
        self.generator = manifest.generator if manifest else package_versions()
        self.history = list(manifest.history) if manifest else []
        self.complete = manifest is not None and manifest.complete
        """Whether the last run got through, for the manifest."""
        self._retry_from = manifest.retry_from if manifest else None
        self._created = manifest.created if manifest else now()
        self._manifest_pace = Pace(_MANIFEST_SECONDS)
        self._failures_pace = Pace()
        self._failures_changed = False
        self._sealed: deque[tuple[ShardEntry, bytes, list[Sample]]] = deque()
        """Each shard is committed once its index, these bytes, is written."""
        self._roots_written = 0
        self.concluded = manifest is not None and manifest.failures is not None
        """Whether the last run on it had come to an end, whichever."""

    def introduce(self, generator: Mapping[str, str]) -> list[Change]:
        """Say what makes the next shards; in what that differs from what made the last ones."""
        converted = [era.generator for era in self.history if era.action == "convert"]
        self.generator = generator
        return decisive_changes(converted[-1], generator) if converted else []

    def retry(self, *, failed: bool) -> int:
        """Say whether what `failed` before is tried again, until the set is concluded.

        Returns:
            The shard below which failures are tried again: the first of this run, or, if a run
            that tried them was stopped, the first of that one; 0 if none are.
        """
        if not failed:
            self._retry_from = None
        elif self._retry_from is None:
            self._retry_from = self.contents.next_number
        return self._retry_from or 0

    def disown(self) -> None:
        """Give up the set that is in the directory: without a manifest there is none."""
        for name in (MANIFEST, FAILURES):
            self.directory.remove([name])

    def uncommitted(self) -> list[str]:
        """What lies in the directory that a run has left which was cut short."""
        shards = self.contents.shards.values()
        committed = {MANIFEST, FAILURES}.union(*(entry.files for entry in shards))
        return [name for name in own_files(self.directory) if name not in committed]

    def begin(self, *, complete: bool = False) -> None:
        """Remove what is not committed (partial files, shards without an index, their failures).

        `complete` is what the set is until the run concludes.
        """
        self.complete = complete
        self._remove(self.uncommitted())
        # Those of a set of other resolutions go; shards make their own.
        self.directory.renew_folders(own_folders(self.directory.entries()), [INDEX])
        self._write_manifest()
        if self.directory.exists(FAILURES):
            self._write_failures()  # before a shard is made whose number stale lines bear

    def commit(self, shard: Shard, results: Sequence[Record | Failure]) -> None:
        """Seal a shard: its tensors, then the failures, then the index, each durable.

        With many failures, of which the list is written as a whole, several shards wait for one
        writing of it: see `flush`.
        """
        self._enter_era(shard.number, "convert")
        kept = [row for row, result in enumerate(results) if isinstance(result, Record)]
        self.commit_sealed(shard.number, shard.seal(kept, self.directory), results)

    def commit_copied(self, shard: Shard, records: Sequence[Record]) -> None:
        """Commit a shard of rows that the set has already; what has failed since stays failed."""
        self._enter_era(shard.number, "compact")
        files = shard.seal(range(len(records)), self.directory)
        self._commit(shard.number, files, records)
        self.flush()

    def commit_sealed(
        self, number: int, files: Mapping[str, FileSum], results: Sequence[Record | Failure]
    ) -> None:
        """Commit a shard of which the tensors are sealed already, by another process."""
        self._enter_era(number, "convert")
        self._failures_changed |= self.contents.note(results)
        self._commit(number, files, [each for each in results if isinstance(each, Record)])

    def _commit(
        self, number: int, tensors: Mapping[str, FileSum], records: Sequence[Record]
    ) -> None:
        lines = "".join(f"{record.to_json(row)}\n" for row, record in enumerate(records)).encode()
        files = {**tensors, index_file(number): FileSum.of(lines)}
        entry = ShardEntry(number, len(records), files)
        self._sealed.append((entry, lines, [record.sample for record in records]))
        few = len(self.contents.failures) <= _FEW_FAILURES
        if few or not self._failures_changed or self._failures_pace.is_due():
            self.flush()

    def flush(self) -> None:
        """Commit the shards that are sealed and wait for the list of failures to be written."""
        if self._failures_changed:
            self._write_failures()
        while self._sealed:
            entry, lines, samples = self._sealed[0]
            if self._roots_written != len(self.contents.roots.paths):  # a list has led elsewhere
                self._write_manifest()
            self.directory.replace(entry.index, lines)
            self._sealed.popleft()
            self.contents.add(entry, ((sample, 0) for sample in samples))
            if self._manifest_pace.is_due():
                self._write_manifest()

    def drop(self, numbers: Sequence[int]) -> None:
        """Remove shards that have no live row; at least one shard must stay."""
        files = [name for number in numbers for name in self.contents.shards[number].files]
        self.contents.drop(numbers)
        self._write_failures()
        self._write_manifest()  # before what readers look for is gone
        self._remove(files)

    def conclude(self, *, complete: bool) -> None:
        """Write the end of a run down."""
        if complete:
            self._drop_empty_end()
            self._retry_from = None
        self.complete = complete
        self._write_manifest(self._write_failures())

    def _remove(self, names: Sequence[str]) -> None:
        """Remove files; the indexes first: without one there is no shard."""
        indexes = [name for name in names if is_index(name)]
        for some in (indexes, sorted(set(names) - set(indexes))):
            self.directory.remove(some)

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
            self.directory.replace(FAILURES, content)
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
            retry_from=self._retry_from,
            failures=failures,
        )
        with self._manifest_pace.timed():
            manifest.write(self.directory)
        self._roots_written = len(manifest.roots)


def open_set(
    directory: Storage, settings: SetSettings | None = None, *, checksums: bool = False
) -> TensorSet:
    """The set in `directory`, or, if there is nothing and `settings` are given, a new one.

    Raises:
        CannotContinueError: it is a set of other settings, or damaged, or no set at all.
        OSError: it cannot be read.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        if settings is None or not all(map(is_partial, own_files(directory))):
            raise CannotContinueError(
                f"{directory} is not a clip-prep set: it has no {MANIFEST}.",
                "Check the path; if a set lost its manifest, restore it, or use --overwrite.",
            )
        return TensorSet(directory, settings)
    if settings and (differences := settings.differences(manifest.settings)):
        raise CannotContinueError(
            f"{directory} holds a set with different settings. Requested:",
            "Use the set's settings, another --out, or --overwrite to start over.",
            tuple(differences),
        )
    contents = load(directory, manifest, checksums=checksums)
    return TensorSet(directory, manifest.settings, manifest, contents)
