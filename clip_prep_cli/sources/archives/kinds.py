"""The kinds of archives: a file whose name has the suffix of one holds samples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from clip_prep_cli.sources.archives.members import Listing


@dataclass(frozen=True)
class ArchiveKind:
    """How archives of one kind are recognized and read."""

    suffixes: tuple[str, ...]
    """What their names end in, in lower case; the usual one first."""
    listing: Callable[[Any], Listing]
    """Lists the members of a `RandomAccess`, or of a `ForwardStream` of what is `decompressed`."""
    content: str
    """What their content is called."""
    mark: bytes
    """What their content has at byte `mark_at`."""
    mark_at: int = 0
    decompressed: Callable[[BinaryIO], Iterator[bytes]] | None = None
    """The bytes that are listed, in pieces; None: the file's own, which workers read in place."""


_BY_SUFFIX: dict[str, ArchiveKind] = {}

_NO_ARCHIVES = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"<": "HTML or XML"}
"""What else the content of a file may be that is named like an archive."""


def register(kind: ArchiveKind) -> None:
    """Have files with the suffixes of `kind` read as archives."""
    _BY_SUFFIX.update(dict.fromkeys(kind.suffixes, kind))


def is_archive(name: str) -> bool:
    """Whether a file is an archive, by its name."""
    return name.lower().endswith(tuple(_BY_SUFFIX))


def kind_of(name: str) -> ArchiveKind:
    """The kind of the archive `name`, by its name."""
    lower = name.lower()
    return next(kind for suffix, kind in _BY_SUFFIX.items() if lower.endswith(suffix))


def misnamed(name: str, file: BinaryIO) -> str:
    """What the content of the archive `name` is, if that is known and not what its name says."""
    try:
        file.seek(0)
        begin = file.read(512)
    except OSError:
        return ""
    for kind in _BY_SUFFIX.values():
        if begin[kind.mark_at :].lstrip().startswith(kind.mark) and kind is not kind_of(name):
            return f" (its content is {kind.content}; its name should end in {kind.suffixes[0]})"
    for mark, content in _NO_ARCHIVES.items():
        if begin.lstrip().startswith(mark):
            return f" (its content is {content})"
    return ""
