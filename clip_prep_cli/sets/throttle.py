"""How often to do again what takes longer the more there is: so that it stays a small part."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_TIMES = 50
"""After something that took a second, it is due again in so many: at most 2 % of a run."""


class Pace:
    """Says when something is due; it is the first time it is asked."""

    def __init__(self, at_least: float = 0.0) -> None:
        """`at_least`: the seconds between two times, however quick they are."""
        self._at_least = at_least
        self._next = 0.0

    def is_due(self) -> bool:
        """Whether enough time has gone by since the last time."""
        return time.monotonic() >= self._next

    @contextmanager
    def timed(self) -> Iterator[None]:
        """While it is done."""
        began = time.monotonic()
        yield
        ended = time.monotonic()
        self._next = ended + max(self._at_least, _TIMES * (ended - began))
