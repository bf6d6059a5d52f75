"""Names as captions: what Pillow's built-in font has no shape for is a box, and it all fits."""

from unicodedata import normalize

from PIL import ImageFont

from clip_prep_cli.common.wording import printable

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_BOX = "\ufffd"  # the font has nothing for it but its box
_ELLIPSIS = "…"


def fitted(text: str, font: Font, width: int) -> str:
    """`text` as the font can draw it, at most `width` pixels wide: the middle gives way.

    The end of a path tells more than its beginning, so twice as much of it is kept.
    """
    drawable = _drawn(text)
    if text_width(drawable, font) <= width:
        return drawable
    fits, too_many = 0, min(len(drawable), width)  # nothing is narrower than a pixel
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if text_width(_shortened(drawable, middle), font) <= width:
            fits = middle
        else:
            too_many = middle
    return _shortened(drawable, fits)


def wrapped(text: str, font: Font, width: int) -> tuple[str, ...]:
    """`text`, fitted: on one line, or on two, broken between words as late as possible."""
    if text_width(_drawn(text), font) > width:
        words = text.split(" ")
        for count in range(min(len(words), width) - 1, 0, -1):
            first = " ".join(words[:count])
            if text_width(_drawn(first), font) <= width:
                return _drawn(first), fitted(" ".join(words[count:]), font, width)
    return (fitted(text, font, width),)


def text_width(text: str, font: Font) -> int:
    """How far right of where it is begun the text reaches. Pixels."""
    return int(font.getbbox(text)[2]) if text else 0


def _drawn(text: str) -> str:
    """`text` in characters that the font has."""
    return "".join(map(_drawable, normalize("NFC", printable(text))))


def _drawable(character: str) -> str:
    """The character, if need be without its accent, or a box."""
    base = normalize("NFD", character)[0]
    return base if base.isascii() else _BOX


def _shortened(text: str, kept: int) -> str:
    begin = kept // 3
    return text[:begin] + _ELLIPSIS + text[len(text) - (kept - begin) :]
