"""What the listings of all kinds of archives yield."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from clip_prep_cli.samples.parts import Zipped

MemberKind = Literal["file", "directory", "symlink", "hard link", "special file"]


class Member(NamedTuple):
    """One member: its name as it stands in the archive, and where its bytes are."""

    name: str
    kind: MemberKind
    offset: int
    """Of its bytes; of its header, if it is zipped."""
    size: int
    zipped: Zipped | None = None
    unsupported: str = ""
    """Why it cannot be read, and what to do."""

    @property
    def plain_name(self) -> str:
        """The name as it is part of a sample's path."""
        name = self.name
        while name.startswith("./"):
            name = name[2:]
        return name


@dataclass
class ListingProgress:
    """How far a listing is."""

    last: str = ""
    """The member that was met last."""
    inside: bool = False
    """Whether that is not known to be whole."""

    def left(self) -> str:
        """What of the archive is not read if nothing more can be."""
        if self.inside:
            return f"{self.last} and everything after it were not read"
        return f"everything after {self.last} was not read" if self.last else "nothing was read"


class Listing(Protocol):
    """The members of one archive."""

    progress: ListingProgress

    def members(self) -> Iterator[Member]:
        """The members in their order. Those of a stream are valid until the next is asked for.

        Raises:
            ImageError: the archive is not whole; after all members that are before the damage.
        """
