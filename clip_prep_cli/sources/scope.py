"""What the walks of one run share: the request, what they pass over, what they have seen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from xxhash import xxh3_128_digest

from clip_prep_cli.samples.roots import Roots
from clip_prep_cli.sources.files import DEFAULT_WAITING, Waiting
from clip_prep_cli.sources.selection import Sieve
from clip_prep_cli.storage.listing import Stat


@dataclass(frozen=True)
class InputRequest:
    """What to convert: existing directories and files, and further ones as they come."""

    named: Iterable[str]
    listed: Iterable[str] | None = None
    """Each may be a directory or a file, or not exist, or come again."""
    avoid: str | None = None
    """A directory that is not walked: the output."""
    waiting: Waiting = DEFAULT_WAITING
    """How stores are waited for; and the walk ends early if it should stop."""
    to_prune: bool = False
    """Whether it will be asked what is gone."""
    on_waiting: Callable[[str], None] = lambda _: None
    """Called with the reason why nothing happens for a while."""


@dataclass(frozen=True)
class Scope:
    """Where walks go: what is an input itself is not found again by the walk of another."""

    request: InputRequest
    sieve: Sieve
    roots: Roots
    directories: set[str] = field(default_factory=set)
    """Inputs that are directories."""
    files: set[str] = field(default_factory=set)
    """Inputs that are files."""


class Answer(NamedTuple):
    """What is at the path or URL of a named input."""

    is_directory: bool
    file: Stat | Exception = Stat(0, 0)
    """Of a file in a store, its size and time, or why they are not known."""


class SeenNames:
    """A set of names, as 16 bytes for each; no two names are likely to share them."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def add(self, name: str) -> bool:
        """Add a name; whether it is new."""
        before = len(self._digests)
        self._digests.add(_digest(name))
        return len(self._digests) > before

    def __contains__(self, name: str) -> bool:
        return _digest(name) in self._digests


def _digest(name: str) -> bytes:
    return xxh3_128_digest(name.encode(errors="surrogateescape"))
