"""What is done again and again stays a small part of a run, however long it takes."""

from itertools import pairwise

import pytest

from clip_prep_cli.sets import throttle
from clip_prep_cli.sets.throttle import Pace


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """The time."""
        return self.now


@pytest.mark.parametrize("at_least", [0.0, 10.0])
@pytest.mark.parametrize("takes", [0.01, 0.5, 60.0])
def test_share(at_least: float, takes: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done whenever it is due, it takes a fiftieth of the time, or less if it need not be often."""
    clock = Clock()
    monkeypatch.setattr(throttle, "time", clock)
    mine = Pace(at_least)
    assert mine.is_due()
    ends: list[float] = []
    while len(ends) < 3:
        if mine.is_due():
            with mine.timed():
                clock.now += takes
            ends.append(clock.now)
        clock.now += takes / 8
    between = max(50 * takes, at_least)
    gaps = [later - sooner for sooner, later in pairwise(ends)]
    assert gaps == pytest.approx([between + takes] * 2, abs=takes / 4)
