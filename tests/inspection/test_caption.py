"""Captions: whatever a name holds, its caption fits and can be drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from clip_prep_cli.inspection.caption import fitted, text_width, wrapped

FONT = ImageFont.load_default(12)
NAMES = st.text(st.characters(codec=None)) | st.text("aW/i. ", min_size=20, max_size=5000)


@given(NAMES, st.integers(40, 500))
def test_a_caption_fits(name: str, width: int) -> None:
    """Control characters, any script, lone surrogates, any length: no pixel is out of bounds."""
    caption = fitted(name, FONT, width)
    assert text_width(caption, FONT) <= width
    strip = Image.new("L", (width + 100, 40))
    ImageDraw.Draw(strip).text((0, 10), caption, 255, FONT)
    drawn = strip.getbbox() or (0, 0, 0, 0)
    assert drawn[2] <= width
    assert drawn[3] < 40


@given(NAMES, st.integers(40, 500))
def test_a_note_fits_on_two_lines(name: str, width: int) -> None:
    """The lines of a longer text."""
    lines = wrapped(name, FONT, width)
    assert 1 <= len(lines) <= 2
    assert all(text_width(line, FONT) <= width for line in lines)


def test_long_names_give_way_in_the_middle() -> None:
    """The end of a path is kept, and some of its beginning."""
    caption = fitted(f"holidays/{'far/' * 200}IMG_0001.jpg", FONT, 224)
    assert caption.startswith("holidays")
    assert "…" in caption
    assert caption.endswith("far/IMG_0001.jpg")
    assert text_width(caption, FONT) > 200


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("plain/name 1.jpg", "plain/name 1.jpg"),
        ("Zürich.png", "Zurich.png"),
        ("Zu\u0308rich.png", "Zurich.png"),
        ("写真.jpg", "\ufffd\ufffd.jpg"),
        ("שלום.jpg", "\ufffd\ufffd\ufffd\ufffd.jpg"),
        ("한.jpg", "\ufffd.jpg"),
        ("\U0001f600.jpg", "\ufffd.jpg"),
        ("a\x1b[31m\n\udcff.jpg", r"a\x1b[31m\n\xff.jpg"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("", ""),
    ],
)
def test_what_the_font_lacks(name: str, caption: str) -> None:
    """Accents are dropped; other scripts are boxes; what is invisible is escaped."""
    assert fitted(name, FONT, 300) == caption


def test_what_the_font_lacks_is_drawn_as_a_box() -> None:
    """The font has a shape for what it has no shape for."""
    assert FONT.getmask("\ufffd").getbbox() is not None


def test_notes_break_between_words() -> None:
    """As late as possible."""
    lines = wrapped("truncated: image file is truncated (2 bytes not processed)", FONT, 224)
    assert lines == ("truncated: image file is truncated (2", "bytes not processed)")
