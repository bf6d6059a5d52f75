"""Contact sheets: where things are, and that nothing is drawn over anything else."""

import pytest
from PIL import Image, ImageChops

from clip_prep_cli.inspection.sheet import Cell, draw_sheet

RED, GREEN = (Image.new("RGB", (224, 224), colour) for colour in ("red", "green"))
LONG = "W" * 3000


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["a.jpg", LONG])
def test_pictures_are_where_the_boxes_say(columns: int, name: str) -> None:
    """Each is whole, whatever the captions are; no two boxes meet."""
    cells = [Cell(picture, name, name) for picture in (RED, GREEN, RED, GREEN, RED)]
    sheet = draw_sheet((name, name), cells, 224, columns)
    tops = [box[1] for box in sheet.boxes]
    assert len(set(tops)) == -(-5 // columns)
    for cell, box in zip(cells, sheet.boxes, strict=True):
        assert cell.picture
        assert ImageChops.difference(sheet.image.crop(box), cell.picture).getbbox() is None
    right, bottom = (max(box[at] for box in sheet.boxes) for at in (2, 3))
    assert right < sheet.image.width
    assert bottom < sheet.image.height


def test_margins_stay_empty() -> None:
    """No caption, however long, leaves its cell."""
    sheet = draw_sheet((LONG, LONG), [Cell(RED, LONG, LONG), Cell(None, LONG, LONG, LONG)], 224, 2)
    left, right = sheet.boxes
    width, height = sheet.image.size
    below = left[3] + 2
    for margin in (
        (0, 0, left[0] - 1, height),
        (right[2] + 1, 0, width, height),
        (left[2] + 1, below, right[0] - 1, height),
        (0, height - 8, width, height),
    ):
        assert sheet.image.crop(margin).getcolors() == [
            ((margin[2] - margin[0]) * (margin[3] - margin[1]), (255, 255, 255))
        ]


def test_smaller_pictures_are_in_the_middle() -> None:
    """Around them the cell is empty."""
    wide = RED.resize((224, 100))
    sheet = draw_sheet(("title",), [Cell(wide, "a.jpg")], 224, 1)
    left, top, right, _ = sheet.boxes[0]
    middle = sheet.image.crop((left, top + 62, right, top + 162))
    assert ImageChops.difference(middle, wide).getbbox() is None
    empty = sheet.image.crop((left, top, right, top + 62)).getcolors()
    assert empty
    assert len(empty) == 1


def test_the_same_sheet_is_the_same_file() -> None:
    """No clock and no chance."""
    once, again = (draw_sheet(("title",), [Cell(RED, "a.jpg")], 224, 1).png() for _ in "ab")
    assert once == again
