"""Which of the files that a walk meets are samples, and what it passed over."""

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_prep_cli.pixels.formats import SUFFIXES

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True)
class Selection:
    """Which files of an input count. Patterns are gitignore's, against the path below the input."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    follow_links: bool = False


class Sieve:
    """Applies a selection to one name after the other."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._include = _patterns(selection.include)
        self._exclude = _patterns(selection.exclude)
        self.ignored: Counter[str] = Counter()
        """What was passed over, by suffix or by kind: `.txt`, `hidden`, `symlink`, ..."""

    def takes(
        self, name: str, below: str, *, is_link: bool = False, in_hidden: bool = False
    ) -> bool:
        """Whether the file `name`, at `below` its input, is a sample."""
        suffix = os.path.splitext(name)[1].lower()
        if suffix not in SUFFIXES:
            self.ignored[suffix or "no suffix"] += 1
            return False
        if self.passes_over(name, below, is_link=is_link, in_hidden=in_hidden):
            return False
        if self._include and not self._include.match_file(below):
            self.ignored["not included"] += 1
            return False
        return True

    def takes_member(self, name: str, below: str) -> bool:
        """Whether the member `name` of an archive, at `below` its input, is a sample."""
        *folders, last = name.split("/")
        return self.takes(last, below, in_hidden=any(map(_is_hidden, folders)))

    def passes_over(
        self, name: str, below: str, *, is_link: bool = False, in_hidden: bool = False
    ) -> bool:
        """Whether `name` is left out; the path `below` of a directory ends with a slash."""
        if (in_hidden or _is_hidden(name)) and not self._selection.hidden:
            kind = "hidden"
        elif is_link and not self._selection.follow_links:
            kind = "symlink"
        elif self._exclude and self._exclude.match_file(below):
            kind = "excluded"
        else:
            return False
        self.ignored[kind] += 1
        return True


def _is_hidden(name: str) -> bool:
    return name.startswith(".") and name not in (".", "..")


def _patterns(patterns: tuple[str, ...]) -> "GitIgnoreSpec | None":
    if not patterns:
        return None
    from pathspec import GitIgnoreSpec  # 30 ms that most runs do not need

    return GitIgnoreSpec.from_lines(patterns)
