"""How far a command is: a bar, or a line now and then."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from clip_prep_cli.display import progress_line
from clip_prep_cli.scan import Tally

if TYPE_CHECKING:
    from tqdm import tqdm

_LINE_SECONDS = 30.0


class Progress:
    """Moves `bar`, which is tqdm's, or else gives `say` a line now and then; or does nothing."""

    def __init__(
        self,
        bar: "tqdm[Any] | None" = None,
        say: Callable[[str], None] | None = None,
        unit: str = "images",
    ) -> None:
        self._bar = bar
        self._say = say
        self._unit = unit
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def clear(self) -> None:
        """Make room for a message."""
        if self._bar is not None:
            self._bar.clear()

    def update(self, tally: Tally) -> None:
        """So far is a run."""
        if self._bar is not None:
            more = "" if tally.scanned else ", still listing"
            self._bar.set_postfix_str(f"{tally.failed:,} failed{more}", refresh=False)
        done = tally.converted + tally.failed
        self._show(done, tally.planned, lambda seconds: progress_line(tally, seconds))

    def count(self, done: int, total: int) -> None:
        """So many of so many are done."""
        self._show(done, total, lambda _: f"{done:,} of {total:,} {self._unit}")

    def _show(self, done: int, total: int, line: Callable[[float], str]) -> None:
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
        elif self._say and (now := time.monotonic()) - self._said >= _LINE_SECONDS:
            self._said = now
            self._say(line(now - self._began))
