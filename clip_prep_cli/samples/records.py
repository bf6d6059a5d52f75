"""Samples, and what became of them: a record or a failure. Each knows its JSON line."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from clip_prep_cli.errors import Reason
from clip_prep_cli.samples.parts import Part, Streamed


class Sample(NamedTuple):
    """One image to convert: `path` below the set's root number `root`, as it was when listed."""

    root: int
    path: str
    size: int
    mtime_ns: int
    part: Part | Streamed | None = None
    """Where its bytes are if it is no file of its own. Nothing that a set keeps."""


class Record(NamedTuple):
    """A converted sample: its source as it was read, and a checksum of its row per resolution."""

    sample: Sample
    xxh128: str
    format: str
    mode: str
    width: int
    height: int
    rows: Mapping[str, str]

    def to_json(self, row: int) -> str:
        """The sample's line of an index, without the newline."""
        return json.dumps(
            {
                "row": row,
                **_source(self.sample),
                "xxh128": self.xxh128,
                "format": self.format,
                "mode": self.mode,
                "width": self.width,
                "height": self.height,
                "rows": self.rows,
            }
        )

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """The record of a line that `to_json` wrote; its row is its place in the index."""
        fields = json.loads(line)
        names = ("xxh128", "format", "mode", "width", "height", "rows")
        return cls(sample=sample_of(fields), **{name: fields[name] for name in names})


class Failure(NamedTuple):
    """A sample that could not be converted; `shard` is where its row would have been.

    `shard` is None for what failed before it had a place: a directory that cannot be listed.
    """

    sample: Sample
    reason: Reason
    detail: str
    shard: int | None

    def to_json(self) -> str:
        """The sample's line of `failures.jsonl`, without the newline."""
        return json.dumps(
            {
                **_source(self.sample),
                "reason": self.reason,
                "detail": self.detail,
                "shard": self.shard,
            }
        )

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """The failure of a line that `to_json` wrote."""
        fields = json.loads(line)
        return cls(sample_of(fields), fields["reason"], fields["detail"], fields["shard"])


def unreadable_at(root: int, path: str, detail: str) -> Failure:
    """The failure of a file or directory that a walk can neither list nor look at."""
    return Failure(Sample(root, path, 0, 0), "unreadable", detail, None)


def sample_of(fields: Mapping[str, Any]) -> Sample:
    """The sample that a decoded line of an index or of `failures.jsonl` speaks of."""
    return Sample(fields["root"], fields["path"], fields["bytes"], fields["mtime_ns"])


def _source(sample: Sample) -> dict[str, Any]:
    root, path, size, mtime_ns, _ = sample
    return {"root": root, "path": path, "bytes": size, "mtime_ns": mtime_ns}
