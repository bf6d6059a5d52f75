"""How far a command is: a bar, or a line now and then; and how it is asked to stop."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from clip_prep_cli.cli.output import say
from clip_prep_cli.cli.summary import progress_line

if TYPE_CHECKING:
    from tqdm import tqdm

    from clip_prep_cli.run.scan import Tally

_LINE_SECONDS = 30.0
_BAR_FORMAT = "{percentage:3.0f}% |{bar}| {n:,}/{total:,} [{rate_fmt}, {remaining} left{postfix}]"


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

    def tell(self, line: str) -> None:
        """Show a message, where no bar is in its way."""
        if self._bar is not None:
            self._bar.clear()
        say(line)

    def update(self, tally: "Tally") -> None:
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


class StopSignal:
    """From now on the first SIGINT or SIGTERM asks for an orderly end; the second ends at once."""

    def __init__(self) -> None:
        self.number = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def received(self) -> bool:
        """Whether there was one."""
        return self.number != 0

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.number = number
        signal.signal(number, signal.SIG_DFL)
        with suppress(OSError):  # nobody listens any more; the run ends in order all the same
            # Not click.echo: the signal may come in the middle of a write to the same stream.
            os.write(2, b"\nFinishing the images in flight; interrupt again to stop immediately.\n")


def progress_of(*, quiet: bool, unit: str = "images") -> Progress:
    """On stderr: a bar on a terminal, a line now and then elsewhere, or nothing."""
    if quiet:
        return Progress()
    if sys.stderr and sys.stderr.isatty():
        from tqdm import tqdm

        return Progress(tqdm(unit=f" {unit}", bar_format=_BAR_FORMAT, total=0, dynamic_ncols=True))
    return Progress(say=say, unit=unit)
