"""Iterating ahead in a thread."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from clip_prep_cli.common.threads import Ahead
from tests.support.command import wait_until


def alive() -> set[threading.Thread]:
    """The threads there are."""
    return set(threading.enumerate())


def test_all_items_in_order() -> None:
    """Everything comes through, in order, None and empty values too, and the thread ends."""
    before = alive()
    items = [None, *range(100), ()]
    assert list(Ahead(items, 3)) == items
    wait_until(lambda: alive() <= before)


def test_no_further_than_the_limit() -> None:
    """Nobody consumes: the iterator is advanced just as far as the limit."""
    drawn: list[int] = []

    def draw() -> Iterator[int]:
        for number in itertools.count():
            drawn.append(number)
            yield number

    ahead = Ahead(draw(), 4)
    wait_until(lambda: len(drawn) >= 5)  # four in the queue, one in hand
    consumer = iter(ahead)
    assert next(consumer) == 0
    wait_until(lambda: len(drawn) >= 6)
    ahead.close()
    # Draining the queue lets the thread draw at most one more before it sees that it is closed.
    assert len(drawn) <= 7


def test_errors_come_through() -> None:
    """What the iterator raises is raised where the item would have been."""

    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    consumer = iter(Ahead(broken(), 10))
    assert next(consumer) == 1
    with pytest.raises(ZeroDivisionError):
        next(consumer)


@pytest.mark.parametrize("consumed", [0, 3])
def test_close(consumed: int) -> None:
    """Closing ends the thread, even of an endless iterator that waits for its consumer."""
    before = alive()
    ahead = Ahead(itertools.count(), 2)
    assert list(itertools.islice(ahead, consumed)) == list(range(consumed))
    ahead.close()
    assert alive() <= before


def test_close_at_the_end() -> None:
    """Closing what has been consumed to its end, or twice, is no error."""
    ahead = Ahead([1], 2)
    assert list(ahead) == [1]
    ahead.close()
    ahead.close()
