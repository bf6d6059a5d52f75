"""A contact sheet: square pictures in rows, each with a caption that stays below it."""

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from clip_prep_cli.inspection.caption import Font, fitted, text_width, wrapped

Box = tuple[int, int, int, int]
"""Left, top, right, bottom. Pixels."""

_PAPER = (255, 255, 255)
_EMPTY = (232, 232, 232)
_LINE = (208, 208, 208)
_INK = (24, 24, 24)
_FAINT = (112, 112, 112)

_MARGIN = 16
_GAP = 12
_LEAST_WIDTH = 480  # for the heading, however narrow the pictures are
_TITLE_SIZE = 18
_TEXT_SIZE = 12
_LEADING = 1.3


class Cell(NamedTuple):
    """What is shown of one image."""

    picture: Image.Image | None
    """RGB, at most as large as a cell; None: there is only the `label`."""
    name: str
    note: str = ""
    label: str = ""


class Sheet(NamedTuple):
    """A sheet that is drawn."""

    image: Image.Image
    boxes: tuple[Box, ...]
    """Where each cell's square is."""

    def png(self) -> bytes:
        """The sheet as a file; the same sheet gives the same bytes."""
        file = io.BytesIO()
        self.image.save(file, "PNG", compress_level=4)  # 6, the default, is slower for 1 % less
        return file.getvalue()


class _Grid(NamedTuple):
    """Where things are; pixels."""

    side: int
    columns: int
    top: int
    caption: int

    def box(self, number: int) -> Box:
        """The square of cell `number`."""
        row, column = divmod(number, self.columns)
        left = _MARGIN + column * (self.side + _GAP)
        top = self.top + row * (self.side + self.caption + _GAP)
        return left, top, left + self.side, top + self.side

    def size(self, cells: int) -> tuple[int, int]:
        """Width and height of a sheet of so many cells."""
        rows = math.ceil(cells / self.columns)
        width = 2 * _MARGIN + self.columns * (self.side + _GAP) - _GAP
        height = self.top + rows * (self.side + self.caption + _GAP) - _GAP + _MARGIN
        return max(width, _LEAST_WIDTH), height


def draw_sheet(heading: Sequence[str], cells: Sequence[Cell], side: int, columns: int) -> Sheet:
    """Draw `cells` of `side` pixels below a `heading`: a title, and lines about it."""
    title_font, font = ImageFont.load_default(_TITLE_SIZE), ImageFont.load_default(_TEXT_SIZE)
    title_height, line = round(_TITLE_SIZE * _LEADING), round(_TEXT_SIZE * _LEADING)
    captions = [_caption(cell, font, side) for cell in cells]
    caption = line // 3 + line * max(map(len, captions))
    top = _MARGIN + title_height + line * (len(heading) - 1) + _GAP
    grid = _Grid(side, columns, top, caption)
    image = Image.new("RGB", grid.size(len(cells)), _PAPER)
    draw = ImageDraw.Draw(image)
    width = image.width - 2 * _MARGIN
    draw.text((_MARGIN, _MARGIN), fitted(heading[0], title_font, width), _INK, title_font)
    for number, text in enumerate(heading[1:]):
        at = (_MARGIN, _MARGIN + title_height + number * line)
        draw.text(at, fitted(text, font, width), _FAINT, font)
    boxes = tuple(grid.box(number) for number in range(len(cells)))
    for cell, box, lines in zip(cells, boxes, captions, strict=True):
        _draw_picture(image, draw, cell, box, font)
        for number, text in enumerate(lines):
            at = (box[0], box[3] + line // 3 + number * line)
            draw.text(at, text, _FAINT if number else _INK, font)
    return Sheet(image, boxes)


def _caption(cell: Cell, font: Font, width: int) -> tuple[str, ...]:
    name = fitted(cell.name, font, width)
    return (name, *wrapped(cell.note, font, width)) if cell.note else (name,)


def _draw_picture(
    image: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, box: Box, font: Font
) -> None:
    left, top, right, bottom = box
    side = right - left
    # Around the square, not in it: white pictures must not run into the paper.
    draw.rectangle((left - 1, top - 1, right, bottom), _EMPTY, _LINE)
    if cell.picture is None:
        text = fitted(cell.label, font, side)
        middle = left + (side - text_width(text, font)) // 2
        draw.text((middle, (top + bottom) // 2), text, _FAINT, font, anchor="lm")
    else:
        width, height = cell.picture.size
        image.paste(cell.picture, (left + (side - width) // 2, top + (side - height) // 2))
