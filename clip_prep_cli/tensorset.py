"""An output directory while a run writes to it: what is committed, and how more is.

A shard's index is renamed into place last: that is the commit. Whatever is not committed when a
run begins is removed and made again.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from clip_prep_cli.durable import sync_directory, write_atomically
from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.manifest import FORMAT_VERSION, SetSettings
from clip_prep_cli.records import Failure, Record, Sample, sample_of
from clip_prep_cli.shards import Shard, shard_name
from clip_prep_cli.sources import Roots

_MANIFEST_SECONDS = 10.0
_OURS = re.compile(
    r"(shard-\d{6,}\.(npy|pt|jsonl)|manifest\.json|failures\.jsonl)(\.\d+\.partial)?"
)
_FOLDERS = re.compile(r"\d+px|index")

Known = Literal["new", "unchanged", "failed"]


class Place(NamedTuple):
    """Where a sample's live row is, and the source as it was then."""

    shard: int
    row: int
    size: int
    mtime_ns: int


class TensorSet:
    """The committed state of a set, in memory and on disk. The caller holds the lock."""

    def __init__(self, directory: Path, settings: SetSettings, *, fresh: bool = False) -> None:
        """Load what is committed in `directory`, which may be nothing; if `fresh`, ignore it.

        Raises:
            CannotContinueError: it is a set of other settings, or damaged, or no set at all.
            OSError: it cannot be read.
        """
        self.directory = directory
        self.settings = settings
        self.roots = Roots()
        self.samples: dict[int, int] = {}
        """Rows per committed shard."""
        self.live: dict[tuple[int, str], Place] = {}
        self.failures: dict[tuple[int, str], Failure] = {}
        self.superseded: dict[int, list[int]] = {}
        self.generator: Mapping[str, str] = {}
        self._created = _now()
        self._manifest_due = 0.0
        if fresh:
            return
        if manifest := read_manifest(directory):
            self._load(manifest)
        elif any(path.suffix != ".partial" for path in own_files(directory)):
            raise CannotContinueError(
                f"{directory} has files of a set, but no manifest.json.",
                "Restore the manifest, or take another --out, or --overwrite to start it anew.",
            )

    def disown(self) -> None:
        """Give up the set that is in the directory: without a manifest there is none.

        Raises:
            OSError: it cannot be removed.
        """
        (self.directory / "manifest.json").unlink(missing_ok=True)
        (self.directory / "failures.jsonl").unlink(missing_ok=True)
        sync_directory(self.directory)

    def sweep(self) -> None:
        """Remove what is not committed: partial files, shards without an index, their failures.

        Raises:
            OSError: a file cannot be removed or written.
        """
        if (self.directory / "failures.jsonl").exists():
            self._write_failures()  # before a shard is made whose number stale lines bear
        for path in own_files(self.directory):
            stem = path.name.partition(".")[0]
            orphan = stem.startswith("shard-") and int(stem[6:]) not in self.samples
            if path.suffix == ".partial" or orphan:
                path.unlink()

    @property
    def next_number(self) -> int:
        """The number of the next shard."""
        return max(self.samples, default=-1) + 1

    def knows(self, sample: Sample) -> Known:
        """Whether the sample is converted already, failed before, or is new or changed."""
        key = sample.root, sample.path
        place, failure = self.live.get(key), self.failures.get(key)
        if failure and (failure.sample.size, failure.sample.mtime_ns) == sample[2:]:
            return "failed"
        if place and (place.size, place.mtime_ns) == sample[2:]:
            return "unchanged"
        return "new"

    def commit(self, shard: Shard, results: Sequence[Record | Failure]) -> None:
        """Seal a shard: its tensors, then the failures, then the index, each durable.

        Raises:
            OSError: something cannot be written; the shard is not committed then.
        """
        kept = [row for row, result in enumerate(results) if isinstance(result, Record)]
        records = [result for result in results if isinstance(result, Record)]
        shard.seal(kept)
        if self._note_failures(results):
            self._write_failures()
        index = "".join(f"{record.to_json(row)}\n" for row, record in enumerate(records))
        path = self._index(shard.number)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, index.encode())
        self.samples[shard.number] = len(records)
        for row, record in enumerate(records):
            self._make_live(record.sample, shard.number, row)
        if time.monotonic() >= self._manifest_due:
            self.write_manifest(complete=False)

    def conclude(self, unplaced: Sequence[Failure], ignored: int, *, complete: bool) -> None:
        """Write the end of a run down; `unplaced` are failures that belong to no shard.

        Raises:
            OSError: it cannot be written.
        """
        self._write_failures(unplaced)
        self.write_manifest(complete=complete, unplaced=len(unplaced), ignored=ignored)

    def write_manifest(self, *, complete: bool, unplaced: int = 0, ignored: int = 0) -> None:
        """Replace `manifest.json` by the present state.

        Raises:
            OSError: it cannot be written; the old one stays.
        """
        content = {
            "format_version": FORMAT_VERSION,
            "complete": complete,
            "created": self._created,
            "updated": _now(),
            "generator": dict(self.generator),
            **self.settings.to_json(),
            "settings_digest": self.settings.digest(),
            "roots": list(self.roots.paths),
            "counts": {
                "samples": len(self.live),
                "failures": len(self.failures) + unplaced,
                "superseded": sum(map(len, self.superseded.values())),
                "ignored": ignored,
            },
            "shards": [self._describe(number) for number in sorted(self.samples)],
        }
        text = json.dumps(content, indent=1) + "\n"
        write_atomically(self.directory / "manifest.json", text.encode())
        self._manifest_due = time.monotonic() + _MANIFEST_SECONDS

    def _write_failures(self, unplaced: Sequence[Failure] = ()) -> None:
        every = [*sorted(self.failures.values()), *sorted(unplaced)]
        content = "".join(f"{failure.to_json()}\n" for failure in every)
        write_atomically(self.directory / "failures.jsonl", content.encode())

    def _describe(self, number: int) -> dict[str, Any]:
        rows = self.samples[number]
        files = {layout.file(number): layout.file_bytes(rows) for layout in self.settings.layouts}
        index = self._index(number)
        files[f"index/{index.name}"] = index.stat().st_size
        superseded = self.superseded.get(number, [])
        return {
            "name": shard_name(number),
            "samples": rows,
            "superseded_rows": sorted(superseded),
            "files": files,
        }

    def _index(self, number: int) -> Path:
        return self.directory / "index" / f"{shard_name(number)}.jsonl"

    def _note_failures(self, results: Sequence[Record | Failure]) -> bool:
        changed = False
        for result in results:
            key = result.sample.root, result.sample.path
            if isinstance(result, Failure):
                self.failures[key] = result
                changed = True
            elif self.failures.pop(key, None):
                changed = True
        return changed

    def _make_live(self, sample: Sample, number: int, row: int) -> None:
        key = sample.root, sample.path
        if old := self.live.get(key):
            self.superseded.setdefault(old.shard, []).append(old.row)
        self.live[key] = Place(number, row, sample.size, sample.mtime_ns)

    def _load(self, manifest: Mapping[str, Any]) -> None:
        with _reading(self.directory / "manifest.json"):
            there = SetSettings.from_json(manifest)
            self._created = manifest["created"]
            self.generator = manifest["generator"]
            self.roots = Roots(manifest["roots"])
        if differences := self.settings.differences(there):
            raise CannotContinueError(
                f"{self.directory} holds a set with other settings; asked for:",
                "Use the set's settings, or another --out, or --overwrite to start it anew.",
                tuple(differences),
            )
        for path in sorted(self.directory.glob("index/shard-*.jsonl")):
            with _reading(path):
                self._load_index(path)
        with _reading(self.directory / "failures.jsonl") as path:
            self._load_failures(path)

    def _load_index(self, path: Path) -> None:
        number = int(path.stem.partition("-")[2])
        lines = path.read_text().splitlines()
        for row, line in enumerate(lines):
            self._make_live(sample_of(json.loads(line)), number, row)
        self.samples[number] = len(lines)

    def _load_failures(self, path: Path) -> None:
        lines = path.read_text().splitlines() if path.exists() else []
        for failure in map(Failure.from_json, lines):
            # The others come from shards that were never committed, or will be met again.
            if failure.shard in self.samples:
                self.failures[failure.sample.root, failure.sample.path] = failure


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """The manifest of the set in `directory`, or None if there is none.

    Raises:
        CannotContinueError: it is damaged, or of a format version that is not known.
        OSError: it cannot be read.
    """
    with _reading(directory / "manifest.json") as path:
        if not path.exists():
            return None
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        version = manifest["format_version"]
    if version != FORMAT_VERSION:
        raise CannotContinueError(
            f"{directory} is a set of format version {version}; this clip-prep knows "
            f"{FORMAT_VERSION}.",
            "Use the clip-prep that made it, or another --out.",
        )
    return manifest


@contextmanager
def _reading(path: Path) -> Iterator[Path]:
    try:
        yield path
    except (ValueError, KeyError, TypeError) as error:
        raise CannotContinueError(
            f"{path} is damaged, or not from clip-prep ({type(error).__name__}: {error}).",
            "Restore it, or take another --out, or --overwrite to start the set anew.",
        ) from error


def own_files(directory: Path) -> list[Path]:
    """The files in `directory` that clip-prep made, by their names and places."""
    if not directory.is_dir():
        return []
    folders = [path for path in directory.iterdir() if path.is_dir() and not path.is_symlink()]
    found = [directory, *(folder for folder in folders if _FOLDERS.fullmatch(folder.name))]
    return [path for folder in found for path in folder.iterdir() if _OURS.fullmatch(path.name)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
