"""Records and failures, and their lines of JSON."""

import json
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.errors import REASONS, Reason
from clip_prep_cli.samples.records import Failure, Record, Sample, sample_of

NAMES = st.text(st.characters(codec=None, exclude_characters="\0"), min_size=1)
"""What a file can be called, lone surrogates included: os.fsdecode() makes them of odd bytes."""

SAMPLES = st.builds(
    Sample,
    st.integers(0, 99),
    NAMES,
    st.integers(0, 1 << 62),
    st.integers(-(1 << 62), 1 << 62),
    st.none(),
)
FAILURES = st.builds(
    Failure, SAMPLES, st.sampled_from(REASONS), st.text(), st.none() | st.integers(0, 10**7)
)


@given(FAILURES)
def test_a_failure_survives_its_line(failure: Failure) -> None:
    """`from_json` gives back what `to_json` wrote, whatever the file's name."""
    line = failure.to_json()
    assert Failure.from_json(line) == failure


@given(FAILURES)
def test_a_line_is_one_line_of_ascii(failure: Failure) -> None:
    """A newline in a file name does not break the file, nor does a byte that is no UTF-8."""
    line = failure.to_json()
    assert line.isascii()
    assert len(line.splitlines()) == 1


@given(SAMPLES, st.integers(0, 1 << 24))
def test_a_sample_survives_its_index_line(sample: Sample, row: int) -> None:
    """The index tells a later run which file the row was made of."""
    record = Record(sample, "00ff", "JPEG", "RGB", 500, 375, {"224px": "0123"})
    assert sample_of(json.loads(record.to_json(row))) == sample


def test_index_line() -> None:
    """The fields of an index line, in their order: part of the on-disk format."""
    sample = Sample(0, "cats/1.jpg", 109576, 1700000000000000001)
    record = Record(sample, "9f" * 16, "JPEG", "RGB", 500, 375, {"336px": "ab" * 8})
    assert record.to_json(7) == (
        '{"row": 7, "root": 0, "path": "cats/1.jpg", "bytes": 109576, '
        '"mtime_ns": 1700000000000000001, '
        '"xxh128": "9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f", "format": "JPEG", "mode": "RGB", '
        '"width": 500, "height": 375, "rows": {"336px": "abababababababab"}}'
    )


def test_failure_line() -> None:
    """The fields of a line of failures.jsonl, in their order: part of the on-disk format."""
    failure = Failure(Sample(1, "a.png", 12, 34), "truncated", "ends early", 5)
    assert failure.to_json() == (
        '{"root": 1, "path": "a.png", "bytes": 12, "mtime_ns": 34, '
        '"reason": "truncated", "detail": "ends early", "shard": 5}'
    )


def test_reasons_are_the_closed_list() -> None:
    """Programs branch on these words."""
    assert get_args(Reason) == REASONS
    assert set(REASONS) == {
        *("unreadable", "not_an_image", "truncated", "corrupt", "too_large"),
        *("unsupported", "timeout", "worker_died"),
    }


def test_failures_sort_by_root_and_path() -> None:
    """Reports and failures.jsonl list them in the order of their places."""
    places = [(1, "a"), (0, "b"), (0, "a/z"), (0, "a")]
    failures = [Failure(Sample(*place, 0, 0), "corrupt", "x", None) for place in places]
    assert [failure.sample[:2] for failure in sorted(failures)] == sorted(places)
