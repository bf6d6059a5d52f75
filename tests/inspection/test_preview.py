"""`clip-prep preview`: the sheet is what the set holds, and says so."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.support.command import Env, album, clip_prep, convert, hooked, paint
from tests.support.oracle import encoded, reference_pixels


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of 8 images."""
    return album(tmp_path_factory.mktemp("given") / "in", 8)


@pytest.fixture(scope="module")
def out(source: Path) -> Path:
    """The set of that directory, in shards of 3, at 224 and 336 pixels."""
    convert(source, source.with_name("out"), "--shard-size", "3", "-m", "ViT-L/14@336px")
    return source.with_name("out")


class Drawn:
    """A sheet, and what the command says of it."""

    def __init__(self, directory: Path, sheet: Path, *options: str, env: Env | None = None) -> None:
        done = clip_prep("preview", directory, "-o", sheet, "--json", *options, env=env)
        self.said: dict[str, Any] = json.loads(done.stdout)
        self.cells: list[dict[str, Any]] = self.said["cells"]
        self.file = sheet.read_bytes()
        with Image.open(sheet) as image:
            assert image.size == (self.said["width"], self.said["height"])
            self._image = image.convert("RGB")

    @property
    def names(self) -> list[str]:
        """The file names of the images that are shown."""
        return [os.path.basename(cell["path"]) for cell in self.cells]

    def pixels(self, number: int) -> NDArray[np.uint8]:
        """What is drawn in a cell."""
        return np.array(self._image.crop(tuple(self.cells[number]["box"])))


def expected(source: Path, name: str, n_px: int = 224) -> NDArray[np.uint8]:
    """What the reference transform makes of an image."""
    return reference_pixels(Image.open(source / name), n_px)


@pytest.mark.parametrize(
    ("dtype", "suffix"), [("uint8", "npy"), ("float32", "npy"), ("bfloat16", "pt")]
)
def test_cells_are_the_stored_rows(dtype: str, suffix: str, source: Path, tmp_path: Path) -> None:
    """Pixel by pixel what the model sees, whatever the rows are stored as."""
    convert(source, tmp_path / "out", "--dtype", dtype, "--format", suffix, "--shard-size", "3")
    drawn = Drawn(tmp_path / "out", tmp_path / "sheet.png")
    assert drawn.names == [f"{number:04}.png" for number in range(8)]
    assert [(cell["shard"], cell["row"]) for cell in drawn.cells[2:5]] == [(0, 2), (1, 0), (1, 1)]
    for number, name in enumerate(drawn.names):
        wanted, found = expected(source, name), drawn.pixels(number)
        if dtype == "bfloat16":  # some neighbouring bytes have one value
            assert encoded(found, dtype) == encoded(wanted, dtype)
        else:
            assert np.array_equal(found, wanted)


@pytest.mark.parametrize("options", [("--resolution", "336"), ("-m", "vit-l/14@336PX")])
def test_another_resolution(
    options: tuple[str, str], source: Path, out: Path, tmp_path: Path
) -> None:
    """By its number or by a model's name."""
    drawn = Drawn(out, tmp_path / "sheet.png", *options, "--count", "2")
    assert drawn.said["n_px"] == 336
    for number, name in enumerate(drawn.names):
        assert np.array_equal(drawn.pixels(number), expected(source, name, 336))


def test_seeds(out: Path, tmp_path: Path) -> None:
    """The same seed gives the same file; another one chooses others; both in the set's order."""
    once = Drawn(out, tmp_path / "once.png", "--count", "4", "--seed", "5")
    again = Drawn(out, tmp_path / "again.png", "--count", "4", "--seed", "5")
    other = Drawn(out, tmp_path / "other.png", "--count", "4")
    assert once.file == again.file
    assert once.names != other.names
    assert [sorted(drawn.names) for drawn in (once, other)] == [once.names, other.names]


def test_columns(out: Path, tmp_path: Path) -> None:
    """As many as were asked for, but no more than there are images."""
    for columns, lefts in (("1", 1), ("3", 3), ("100", 8)):
        drawn = Drawn(out, tmp_path / "sheet.png", "--columns", columns)
        assert len({cell["box"][0] for cell in drawn.cells}) == lefts == drawn.said["columns"]


def test_what_it_says(out: Path, tmp_path: Path) -> None:
    """One line with what was written where."""
    sheet = tmp_path / "sheet.PNG"
    said = clip_prep("preview", out, "-o", sheet, "--count", "4").stdout
    assert said.startswith(f"Wrote {sheet}: 4 of 8 images, 2 per row")
    assert said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sheet.PNG"]


def test_superseded_rows_are_not_shown(tmp_path: Path) -> None:
    """Of an image that was converted again, only the new row."""
    source = album(tmp_path / "in", 3)
    convert(source, tmp_path / "out")
    paint(source / "0001.png", 77, (30, 20))
    convert(source, tmp_path / "out")
    drawn = Drawn(tmp_path / "out", tmp_path / "sheet.png")
    assert drawn.names == ["0000.png", "0002.png", "0001.png"]
    assert np.array_equal(drawn.pixels(2), expected(source, "0001.png"))


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A directory of wide and tall pictures, smooth and bright."""
    directory = tmp_path / "wide"
    directory.mkdir()
    for name, size in (("wide.png", (600, 300)), ("tall.jpg", (200, 500)), ("even.png", (99, 99))):
        image = Image.linear_gradient("L").resize(size).point(lambda v: 100 + v // 2)
        ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2, size[1] // 2), 240)
        image.convert("RGB").save(directory / name)
    return directory


def test_crop(wide: Path, tmp_path: Path) -> None:
    """The whole source; what the crop keeps is as it is, the rest is darker."""
    convert(wide, tmp_path / "out")
    drawn = Drawn(tmp_path / "out", tmp_path / "sheet.png", "--crop")
    assert [cell["note"] for cell in drawn.cells] == ["", "", ""]
    boxes = {
        "wide.png": ((0, 56, 224, 168), (56, 56, 168, 168)),
        "tall.jpg": ((67, 0, 157, 224), (67, 67, 157, 157)),
        "even.png": ((0, 0, 224, 224), (0, 0, 224, 224)),
    }
    for number, name in enumerate(drawn.names):
        (left, top, right, bottom), kept = boxes[name]
        whole = Image.open(wide / name).convert("RGB").resize((right - left, bottom - top))
        plain = np.zeros((224, 224, 3), int)
        plain[top:bottom, left:right] = whole
        found = drawn.pixels(number).astype(int)
        inside = (slice(kept[1], kept[3]), slice(kept[0], kept[2]))
        assert np.abs(found - plain)[inside].mean() < 4
        outside: NDArray[np.bool_] = np.any(plain, axis=2, keepdims=True)[..., 0]
        near = [slice(max(0, one.start - 2), one.stop + 2) for one in inside]
        outside[near[0], near[1]] = False
        assert (found[outside] < 0.5 * plain[outside]).all()


def test_crop_of_a_set_that_was_turned_upright(tmp_path: Path) -> None:
    """The source is turned as it was for the row."""
    (tmp_path / "in").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (300, 100), "white")
    image.save(tmp_path / "in" / "turned.jpg", exif=exif)
    convert(tmp_path / "in", tmp_path / "out", "--exif", "apply")
    drawn = Drawn(tmp_path / "out", tmp_path / "sheet.png", "--crop")
    middle = drawn.pixels(0)[:, 112]
    assert (middle[:60] < 100).all()
    assert (middle[100:120] > 250).all()


def test_crop_without_the_sources(tmp_path: Path) -> None:
    """Of a source that is gone or changed, or that cannot be read, the row is shown and why."""
    source = album(tmp_path / "in", 4)
    wanted = [expected(source, f"{number:04}.png") for number in range(4)]
    convert(source, tmp_path / "out")
    (source / "0000.png").unlink()
    paint(source / "0001.png", 55)
    (source / "0002.png").unlink()
    os.mkfifo(source / "0002.png")
    drawn = Drawn(tmp_path / "out", tmp_path / "sheet.png", "--crop")
    assert [cell["note"] for cell in drawn.cells] == [
        "stored row: the source is missing",
        "stored row: the source has changed",
        "stored row: is not a regular file",
        "",
    ]
    for number in range(3):
        assert np.array_equal(drawn.pixels(number), wanted[number])


def test_failures(tmp_path: Path) -> None:
    """What can be shown is; the rest is an empty cell; each with its reason."""
    source = album(tmp_path / "in", 1)
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    for name in ("cut.jpg", "later.jpg"):
        (source / name).write_bytes(whole[: len(whole) * 3 // 4])
    (source / "empty.png").touch()
    Image.new("L", (400, 400)).save(source / "large.png")
    convert(source, tmp_path / "out", "--max-pixels", "100000", status=3)
    (source / "later.jpg").write_bytes(whole)  # nobody has looked at that yet
    drawn = Drawn(tmp_path / "out", tmp_path / "sheet.png", "--failures")
    assert drawn.names == ["cut.jpg", "empty.png", "large.png", "later.jpg"]
    reasons = [cell["note"].partition(":")[0] for cell in drawn.cells]
    assert reasons == ["truncated", "not_an_image", "too_large", "truncated"]
    top = np.asarray(Image.open(tmp_path / "whole.jpg").resize((224, 224)))[:100]
    assert np.abs(drawn.pixels(0)[:100].astype(int) - top).mean() < 4
    assert drawn.pixels(2).max() == 0
    for number in (1, 3):
        colours, counts = np.unique(drawn.pixels(number).reshape(-1, 3), axis=0, return_counts=True)
        assert counts.max() > 224 * 224 * 0.95
        assert colours[counts.argmax()].min() > 200


@pytest.mark.slow
def test_failures_that_nobody_may_open(tmp_path: Path) -> None:
    """What hung or killed a worker would do that to the command: it is not opened again."""
    source = album(tmp_path / "in", 1)
    paint(source / "hang.png")
    paint(source / "killer-exit.png")
    env = hooked(tmp_path / "hook")
    convert(source, tmp_path / "out", "--timeout", "1", status=3, env=env)
    drawn = Drawn(tmp_path / "out", tmp_path / "sheet.png", "--failures", env=env)
    reasons = [cell["note"].partition(":")[0] for cell in drawn.cells]
    assert reasons == ["timeout", "worker_died"]


def test_what_libraries_say_is_not_passed_on(tmp_path: Path) -> None:
    """Where a file is damaged, libtiff complains on the error output."""
    torn = tmp_path / "in" / "torn.tif"
    torn.parent.mkdir()
    Image.linear_gradient("L").save(torn, compression="tiff_lzw")
    content = torn.read_bytes()
    torn.write_bytes(content[:200] + b"\xff" * 60 + content[260:])
    convert(torn.parent, tmp_path / "out", status=3)
    done = clip_prep("preview", tmp_path / "out", "--failures", "-o", tmp_path / "sheet.png")
    assert not done.stderr


def test_nothing_to_show(tmp_path: Path) -> None:
    """A set without images, one without failures, and a folder that is no set."""
    source = album(tmp_path / "in", 1)
    convert(source, tmp_path / "out")
    (source / "0000.png").write_bytes(b"")
    convert(source, tmp_path / "none", status=3)
    for directory, options, words in (
        (tmp_path / "none", (), "has no images"),
        (tmp_path / "out", ("--failures",), "has no failures"),
        (source, (), "is not a clip-prep set"),
    ):
        sheet = tmp_path / "sheet.png"
        assert words in clip_prep("preview", directory, "-o", sheet, *options, status=1).stderr
        assert not sheet.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "`-o sheet.png`"),
        (("-o", "sheet.jpg"), "`-o sheet.png`"),
        (("-o", "."), "is a directory"),
        (("-o", "sheet.png", "--resolution", "288"), "--resolution 224 or --resolution 336"),
        (("-o", "sheet.png", "-m", "RN50x4"), "no 288px tensors"),
        (("-o", "sheet.png", "-m", "RN50x4", "--resolution", "224"), "RN50x4 uses 288px"),
        (("-o", "sheet.png", "-m", "all"), "'all' is not a known model"),
        (("-o", "sheet.png", "--crop", "--failures"), "--crop"),
        (("-o", "sheet.png", "--count", "401"), "--count"),
    ],
)
def test_wrong_usage(
    options: tuple[str, ...],
    words: str,
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be is refused in words that say what can."""
    monkeypatch.chdir(tmp_path)
    done = clip_prep("preview", out, *options, status=2)
    assert words in done.stderr
    assert not [*tmp_path.iterdir()]


def test_outputs_that_cannot_be(out: Path, tmp_path: Path) -> None:
    """Inside the set, where `verify` would find it; and where there is no folder."""
    inside = clip_prep("preview", out, "-o", out / "sheet.png", status=2).stderr
    assert "is inside the set" in inside
    sheet = tmp_path / "none" / "sheet.png"
    assert f"Cannot write {sheet}" in clip_prep("preview", out, "-o", sheet, status=1).stderr


def test_damage(tmp_path: Path) -> None:
    """A row that is not as it was written is no picture of anything."""
    convert(album(tmp_path / "in", 1), tmp_path / "out")
    with open(tmp_path / "out/224px/shard-000000.npy", "r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    sheet = tmp_path / "sheet.png"
    said = clip_prep("preview", tmp_path / "out", "-o", sheet, status=1).stderr
    assert "does not match its checksum" in said
    assert not sheet.exists()
