"""`manifest.json`: the whole set, its settings, its provenance, and checksums of the rest."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Self

import xxhash

from clip_prep_cli.common.threads import in_order
from clip_prep_cli.errors import CannotContinueError, DamagedError
from clip_prep_cli.sets.layout import FileSum
from clip_prep_cli.sets.names import MANIFEST, index_file, shard_name, shard_number
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.storage.interface import Storage

FORMAT_VERSION = 1
"""Of everything in an output directory; a reader refuses one that it does not know."""


@dataclass
class ShardEntry:
    """A committed shard: its rows, and each file's size and checksum (see `FileSum`)."""

    number: int
    samples: int
    files: dict[str, FileSum]
    superseded: set[int] = field(default_factory=set)
    """Rows that do not count any more: there is a newer one, or the image was pruned."""

    @property
    def index(self) -> str:
        """The shard's index, below the set's directory."""
        return index_file(self.number)

    def to_json(self) -> dict[str, Any]:
        """The entry in the manifest's `shards`."""
        return {
            "name": shard_name(self.number),
            "samples": self.samples,
            "superseded_rows": sorted(self.superseded),
            "files": {name: file.size for name, file in self.files.items()},
            "checksums": {name: file.xxh128 for name, file in self.files.items()},
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """The shard of an entry that `to_json` made."""
        sizes, sums = entry["files"], entry["checksums"]
        return cls(
            number=shard_number(entry["name"]),
            samples=entry["samples"],
            files={name: FileSum(sizes[name], sums[name]) for name in sizes},
            superseded=set(entry["superseded_rows"]),
        )


class Era(NamedTuple):
    """From which shard on, and since when, a set was made with what."""

    from_shard: int
    since: str
    action: str
    """`convert`, or `compact`: rows that were only copied, whatever had made them."""
    generator: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The entry in the manifest's `history`."""
        return {**self._asdict(), "from_shard": shard_name(self.from_shard)}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """The era of an entry that `to_json` made."""
        return cls(**{**entry, "from_shard": shard_number(entry["from_shard"])})


class Counts(NamedTuple):
    """Totals of a set. `ignored`: files that the last run passed over."""

    samples: int = 0
    failures: int = 0
    superseded: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class Manifest:
    """The content of `manifest.json`."""

    settings: SetSettings
    created: str
    updated: str
    complete: bool
    generator: Mapping[str, str]
    history: Sequence[Era]
    roots: tuple[str, ...]
    counts: Counts
    shards: Sequence[ShardEntry]
    retry_from: int | None
    """The first shard of a --retry-failed that is under way, so that it can be gone on with."""
    failures: FileSum | None
    """Of `failures.jsonl`; None while a run may be changing it, or after it was killed."""

    def eras(self) -> Iterator[tuple[Era, Mapping[str, str]]]:
        """The history; each era with the versions that are not those of the era before it."""
        before: Mapping[str, str] = {}
        for era in self.history:
            yield era, {name: v for name, v in era.generator.items() if before.get(name) != v}
            before = era.generator

    def to_bytes(self) -> bytes:
        """The file. Its last member is a checksum of the bytes before the comma before it."""
        failures = self.failures
        content = {
            "format_version": FORMAT_VERSION,
            "complete": self.complete,
            "created": self.created,
            "updated": self.updated,
            "generator": dict(self.generator),
            "history": [era.to_json() for era in self.history],
            **self.settings.to_json(),
            "settings_digest": self.settings.digest(),
            "roots": list(self.roots),
            "counts": self.counts._asdict(),
            "retry_from": None if self.retry_from is None else shard_name(self.retry_from),
            "failures": failures and {"bytes": failures.size, "xxh128": failures.xxh128},
            "shards": [shard.to_json() for shard in self.shards],
        }
        body = json.dumps(content, indent=1).removesuffix("\n}").encode()
        return body + _signature(body)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The manifest of a file that `to_bytes` made.

        Raises:
            ValueError, KeyError, TypeError: it is not like that.
        """
        fields = json.loads(content)
        settings, failures = SetSettings.from_json(fields), fields["failures"]
        if fields["settings_digest"] != settings.digest():
            raise ValueError("its settings_digest does not match its settings")
        return cls(
            settings=settings,
            created=fields["created"],
            updated=fields["updated"],
            complete=fields["complete"],
            generator=fields["generator"],
            history=tuple(map(Era.from_json, fields["history"])),
            roots=tuple(fields["roots"]),
            counts=Counts(**fields["counts"]),
            shards=tuple(map(ShardEntry.from_json, fields["shards"])),
            retry_from=shard_number(fields["retry_from"]) if fields["retry_from"] else None,
            failures=FileSum(failures["bytes"], failures["xxh128"]) if failures else None,
        )

    def write(self, directory: Storage) -> None:
        """Replace the manifest in `directory`; OSError if it cannot be, and the old one stays."""
        directory.replace(MANIFEST, self.to_bytes())


_MARK = b',\n "xxh128": "'


def _signature(body: bytes) -> bytes:
    return _MARK + xxhash.xxh3_128_hexdigest(body).encode() + b'"\n}\n'


def read_manifest(directory: Storage) -> Manifest | None:
    """The manifest of the set in `directory`, or None if there is none.

    Raises:
        DamagedError: it is not as it was written.
        CannotContinueError: it is of a format version that is not known.
        OSError: it cannot be read.
    """
    try:
        content = directory.read(MANIFEST)
    except FileNotFoundError:
        return None
    with reading(directory, MANIFEST):
        body, mark, rest = content.rpartition(_MARK)
        if mark + rest != _signature(body):
            raise ValueError("its checksum does not match its content")
        version = json.loads(content)["format_version"]
        if version != FORMAT_VERSION:
            raise CannotContinueError(
                f"{directory} has format version {version}; this clip-prep supports only "
                f"{FORMAT_VERSION}.",
                "Use the clip-prep version that made it, or another --out.",
            )
        return Manifest.from_bytes(content)


def manifest_of(directory: Storage) -> Manifest:
    """The manifest of the set in `directory`; raises as `read_manifest`, and if there is none."""
    manifest = read_manifest(directory)
    if manifest is None:
        raise CannotContinueError(
            f"{directory} is not a clip-prep set: it has no {MANIFEST}.", "Check the path."
        )
    return manifest


@contextmanager
def reading(directory: Storage, name: str) -> Iterator[None]:
    """While the file `name` of a set is read: whatever is wrong with it is a DamagedError."""
    try:
        yield
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"damaged, or was not written by clip-prep ({type(error).__name__}: {error})"
        if isinstance(error, FileNotFoundError):
            what = "missing"
        raise DamagedError(
            f"{directory.at(name)} is {what}.",
            "Restore it from a backup, or start over with `clip-prep convert --overwrite`; "
            "`clip-prep verify` reports what else is wrong.",
        ) from error


def read_index(directory: Storage, entry: ShardEntry) -> bytes:
    """A shard's index as it was written; raises as `read_manifest`."""
    with reading(directory, entry.index):
        content = directory.read(entry.index)
        if FileSum.of(content) != entry.files[entry.index]:
            raise ValueError("its checksum does not match the manifest")
    return content


def read_indexes(
    directory: Storage, shards: Sequence[ShardEntry]
) -> Iterator[tuple[ShardEntry, bytes]]:
    """Each of these shards with its index; errors as those of `read_index`."""
    indexes = in_order(partial(read_index, directory), shards, directory.reads_at_once)
    return zip(shards, indexes, strict=True)


def now() -> str:
    """The time, as manifests have it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
