"""Numbers and names in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.common.wording import printable, size_text


@given(st.text(st.characters(codec=None)))
def test_printable_is_printable(text: str) -> None:
    """Whatever a name holds, the result can be encoded and shows as one line."""
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.encode().splitlines()) <= 1


@given(st.text().filter(str.isprintable))
def test_printable_leaves_plain_names_alone(text: str) -> None:
    """Umlauts and emoji are fine."""
    assert printable(text) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (602_112, "602 kB"),
        (1_234_567, "1.23 MB"),
        (3_913_728_000, "3.91 GB"),
        (2_500_000_000_000, "2.5 TB"),
        (3_200_000_000_000_000, "3,200.0 TB"),
    ],
)
def test_size_text(count: int, text: str) -> None:
    """Powers of 1000, three digits."""
    assert size_text(count) == text


@given(st.integers(0, 10**16))
def test_size_text_is_never_scientific(count: int) -> None:
    """No size is shown as 1e+03 of something."""
    assert "e+" not in size_text(count)


def test_size_text_just_below_a_unit() -> None:
    """What rounds to 1000 of a unit is 1 of the next, or 1000, but readable."""
    assert size_text(999_999) in ("1 MB", "1000 kB", "1,000 kB")
