"""What goes to a worker process and what comes back: no pixels, only names and outcomes."""

from dataclasses import dataclass
from typing import NamedTuple

from clip_prep_cli.errors import Reason
from clip_prep_cli.pixels.references import Reference
from clip_prep_cli.pixels.transforms import Transform
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.sets.shard import Target
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE

IDLE = -1
"""The progress mark of a worker that is on no image."""


@dataclass(frozen=True)
class Recipe:
    """What makes the pixels: the same in every worker of a run."""

    transforms: tuple[Transform, ...]
    reference: Reference
    dtype: str
    exif: str
    max_pixels: int
    resize: str = "native"
    """`native`, or `pillow` for its pure twin."""
    jpeg: str = "simplejpeg"
    """`simplejpeg`, or `pillow` for its twin."""
    patience: float = DEFAULT_PATIENCE
    """Seconds for which a store that does not answer is asked again."""


class Batch(NamedTuple):
    """Some rows of one shard: their sources, and one target per transform.

    Without targets the rows are made for their checksums alone.
    """

    shard: int
    rows: tuple[int, ...]
    sources: tuple[str | Part, ...]
    """Absolute paths, or parts of files."""
    targets: tuple[Target, ...]


class Converted(NamedTuple):
    """A row that was written; `rows` is its checksum by each transform (xxh3_64, hex).

    `mtime_ns` is None if only the listing of the source knows it.
    """

    size: int
    mtime_ns: int | None
    xxh128: str
    format: str
    mode: str
    width: int
    height: int
    rows: tuple[str, ...]


class Refused(NamedTuple):
    """A row that stays empty. `size` and `mtime_ns` are None if the file was never open."""

    reason: Reason
    detail: str
    size: int | None = None
    mtime_ns: int | None = None


class RowNotWrittenError(Exception):
    """The set's file system does not take a row; `error` says why."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


Outcome = Converted | Refused
