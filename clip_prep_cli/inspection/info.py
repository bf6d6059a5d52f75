"""What is in a set: what its manifest says, and totals over the records of its images."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from clip_prep_cli.inspection.report.sources import Sources, by_count, sources
from clip_prep_cli.sets.manifest import Manifest
from clip_prep_cli.sets.names import FAILURES, LOCK, MANIFEST
from clip_prep_cli.sets.stored import StoredSet
from clip_prep_cli.storage.interface import Storage


@dataclass(frozen=True)
class Info:
    """What is in a set."""

    directory: Storage
    manifest: Manifest
    running: bool
    """Whether some process is changing the set."""
    failures: Mapping[str, int]
    """How many for each reason, most first."""
    files: Mapping[str, int]
    """Bytes of each folder, and of each file beside them."""
    sources: Sources

    @property
    def rows(self) -> int:
        """All rows, those that count no more too."""
        return sum(entry.samples for entry in self.manifest.shards)

    @property
    def bytes(self) -> int:
        """The size of the whole set."""
        return sum(self.files.values())


def info(directory: Storage) -> Info:
    """What is in the set in `directory`; it takes about 40 bytes of memory an image.

    Raises:
        CannotContinueError: there is no set, or one of another format version.
        DamagedError: it is not as it was written.
        OSError: it cannot be read.
    """
    stored = StoredSet(directory)
    manifest = stored.manifest
    return Info(
        directory=directory,
        manifest=manifest,
        running=directory.is_held(LOCK),
        failures=by_count(Counter(failure.reason for failure in stored.failures())),
        files=_files(stored),
        sources=sources(stored.records(), manifest.settings),
    )


def _files(stored: StoredSet) -> dict[str, int]:
    """Sizes as the manifest has them; that they are so is what `verify` is for."""
    sizes: Counter[str] = Counter()
    for entry in stored.manifest.shards:
        for name, file in entry.files.items():
            sizes[name.partition("/")[0]] += file.size
    beside = {each.name: each.size for each in stored.directory.entries()}
    for name in (MANIFEST, FAILURES):
        if name in beside:  # a first run may not be so far yet
            sizes[name] = beside[name]
    return dict(sizes)
