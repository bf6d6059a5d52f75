"""Samples to shards, rows to batches."""

from collections.abc import Iterator
from itertools import chain, islice

from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.samples.grouping import MAX_BATCH, batches, shards
from clip_prep_cli.samples.records import Sample


def numbered(count: int) -> list[Sample]:
    """Samples that can be told apart."""
    return [Sample(0, str(number), 0, 0) for number in range(count)]


@given(st.integers(0, 200), st.integers(1, 50))
def test_shards_are_full_and_keep_the_order(count: int, size: int) -> None:
    """Every sample is in one shard, in its place; only the last shard may be short."""
    samples = numbered(count)
    groups = list(shards(samples, size))
    assert list(chain.from_iterable(groups)) == samples
    assert all(len(group) == size for group in groups[:-1])
    assert all(1 <= len(group) <= size for group in groups)


def test_shards_are_lazy() -> None:
    """The first shard is there before the walk has gone on to the second."""

    def walk() -> Iterator[Sample]:
        yield from numbered(3)
        raise AssertionError("the walk went on")

    assert list(islice(shards(walk(), 3), 1)) == [tuple(numbered(3))]


@given(st.integers(0, 5000), st.integers(1, 200))
def test_batches_cover_every_row_once_in_order(rows: int, workers: int) -> None:
    """No row is left out or done twice, and no batch is empty or too large."""
    parts = list(batches(rows, workers))
    assert list(chain.from_iterable(parts)) == list(range(rows))
    assert all(1 <= len(part) <= MAX_BATCH for part in parts)


@given(st.integers(1, 5000), st.integers(1, 200))
def test_every_worker_gets_something(rows: int, workers: int) -> None:
    """There are at least as many batches as workers, as far as the rows go."""
    assert len(list(batches(rows, workers))) >= min(rows, workers)
