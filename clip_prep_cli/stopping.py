"""How a run is asked to stop."""

import signal
from collections.abc import Callable
from types import FrameType


class StopSignal:
    """The first SIGINT or SIGTERM asks for an orderly end; the second one ends at once."""

    def __init__(self, on_first: Callable[[], object]) -> None:
        self.number = 0
        self._on_first = on_first
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def received(self) -> bool:
        """Whether there was one."""
        return self.number != 0

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.number = number
        signal.signal(number, signal.SIG_DFL)
        self._on_first()
