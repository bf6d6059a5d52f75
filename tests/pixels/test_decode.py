"""File bytes to pixels: what is taken, what is refused and why, and equality on real files."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from clip_prep_cli.errors import REASONS, ImageError
from clip_prep_cli.pixels.decode import Decoder, open_image, prepare_process, reason_of
from clip_prep_cli.pixels.formats import FORMATS
from clip_prep_cli.pixels.native import best_kernel
from clip_prep_cli.pixels.resize import resize_crop
from clip_prep_cli.pixels.transforms import openai
from tests.support.images import (
    converted,
    decoded,
    make_image,
    ours_and_theirs,
    saved,
    target_of,
)

LIMIT = 1_000_000
SAVED_AS = [name for name in FORMATS if name != "PSD"]  # which Pillow only reads


@pytest.fixture
def process() -> Iterator[None]:
    """Room for `prepare_process`, whose settings are global, undone afterwards."""
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        yield
    Image.MAX_IMAGE_PIXELS = limit


def refusal(data: bytes, max_pixels: int = LIMIT) -> ImageError:
    """The error with which the file is refused."""
    with pytest.raises(ImageError) as caught:
        Decoder(max_pixels).decode(memoryview(data))
    return caught.value


@pytest.mark.parametrize("name", SAVED_AS)
@pytest.mark.parametrize("kind", ["RGB", "L"])
def test_every_format_is_decoded_as_pillow_does(name: str, kind: str) -> None:
    """A file of each allowed format is known for what it is, and has Pillow's pixels."""
    if name == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    if (name, kind) == ("QOI", "L"):
        pytest.skip("QOI has no gray images")
    data = saved(make_image(kind, (32, 24), 0), name)
    ours, theirs = ours_and_theirs(data)
    assert ours == theirs
    assert ours[0] == name


def test_multi_picture_jpegs_are_opened() -> None:
    """An MPO, as stereo cameras make them, gives its first picture."""
    first, second = (make_image("RGB", (32, 24), seed) for seed in (0, 2))
    data = saved(first, "MPO", save_all=True, append_images=[second])
    ours, theirs = ours_and_theirs(data)
    assert ours == theirs
    assert ours[0] == "MPO"


@pytest.mark.parametrize("name", ["GIF", "TIFF", "PNG", "WEBP"])
def test_first_frame_of_many(name: str) -> None:
    """Of an animation or a file of several pages the first one is taken."""
    first, second = (make_image("L", (16, 16), seed) for seed in (0, 2))
    options = {"lossless": True} if name == "WEBP" else {}
    data = saved(first, name, save_all=True, append_images=[second], **options)
    assert open_image(data, LIMIT).convert("L").tobytes() == first.tobytes()


@pytest.mark.parametrize("name", ["EPS", "PDF", "DIB", "ICNS"])
def test_formats_that_pillow_knows_but_nobody_wants(name: str) -> None:
    """They are named, and not opened, though Pillow could."""
    error = refusal(saved(make_image("RGB", (32, 32), 0), name))
    assert error.reason == "unsupported"
    assert name in error.detail


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- drawn -->\n<svg/>", "SVG"),
        (b"\xff\x0a\x01\x02", "JPEG XL"),
        (b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a", "JPEG XL"),
        (b"FLIF\x31", "FLIF"),
        (b"\xd7\xcd\xc6\x9a\0\0", "WMF"),
    ],
)
def test_other_formats_are_named(data: bytes, name: str) -> None:
    """Whoever has such files is told what they are."""
    error = refusal(data + bytes(64))
    assert error.reason == "unsupported"
    assert error.detail.startswith(name)


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html>\n<title>404</title>", "the content is text"),
        (b"\x00\x01\x02\xff" * 20, "the content is not in a known image format"),
    ],
)
def test_what_is_no_image(data: bytes, detail: str) -> None:
    """Empty files, error pages that were saved as .jpg, and noise."""
    error = refusal(data)
    assert (error.reason, error.detail) == ("not_an_image", detail)


def test_a_broken_header_is_damage() -> None:
    """A file that begins like a PNG and does not go on like one is a damaged PNG."""
    error = refusal(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDX" + bytes(40))
    assert error.reason == "corrupt"
    assert "PNG" in error.detail


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_the_limit_of_pixels_is_exact(name: str) -> None:
    """As many pixels as allowed are allowed, one less than the image has is not."""
    data = saved(make_image("L", (40, 25), 0), name)
    assert Decoder(1000).decode(memoryview(data))[2:4] == (40, 25)
    error = refusal(data, 999)
    assert (error.reason, error.detail) == ("too_large", "1000 pixels exceed --max-pixels")


@pytest.mark.usefixtures("process")
def test_the_limit_of_pixels_is_for_the_source_alone() -> None:
    """A small image is converted whatever the limit, though the crop has more pixels than it."""
    prepare_process(500, (openai(224),))
    image = open_image(saved(make_image("RGB", (30, 16), 0), "PNG"), 500)
    assert resize_crop(image, target_of(image.size, 224)).size == (224, 224)


@pytest.mark.usefixtures("process")
def test_the_limit_of_pixels_holds_for_images_inside_images() -> None:
    """The PNG in an icon is as large as its own header says, not as the icon's."""
    picture = saved(make_image("L", (500, 500), 0), "PNG")
    entry = bytes((16, 16, 0, 0, 1, 0, 32, 0)) + len(picture).to_bytes(4, "little")
    icon = b"\0\0\1\0\1\0" + entry + (22).to_bytes(4, "little") + picture
    prepare_process(249_999, ())
    with pytest.raises(Exception, match="exceeds limit") as caught:
        open_image(icon, 249_999).load()
    assert reason_of(caught.value) == ("too_large", "250000 pixels exceed --max-pixels")


@pytest.mark.usefixtures("process")
def test_prepared_processes_are_silent() -> None:
    """What Pillow warns of is no error, except that an image is too large."""
    prepare_process(LIMIT, ())
    warnings.warn("metadata is damaged", UserWarning, stacklevel=1)
    with pytest.raises(Image.DecompressionBombWarning):
        warnings.warn("pixels", Image.DecompressionBombWarning, stacklevel=1)


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("orientation", "mirror", "turns"),
    [(1, 1, 0), (2, -1, 0), (3, 1, 2), (4, -1, 2), (5, -1, 1), (6, 1, 3), (7, -1, 3), (8, 1, 1)],
)
def test_exif_is_applied_if_asked(name: str, orientation: int, mirror: int, turns: int) -> None:
    """Each EXIF orientation is undone: mirrored left to right, and turned left so often."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(make_image("RGB", (30, 20), 0), name, exif=exif)
    stored = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(np.asarray(decoded(data).pixels), stored)
    turned = decoded(data, exif="apply")
    assert np.array_equal(np.asarray(turned.pixels), np.rot90(stored[:, ::mirror], turns))
    assert turned[1:4] == ("RGB", 30, 20)  # what the file says


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF"])
def test_images_without_exif_stay(name: str) -> None:
    """No EXIF, no turn."""
    data = saved(make_image("L", (30, 20), 0), name)
    assert converted(decoded(data, exif="apply").pixels, 24) == converted(decoded(data).pixels, 24)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageError("unsupported", "HEIF"), "unsupported"),
        (MemoryError(), "too_large"),
        (Image.DecompressionBombError("Image size (999 pixels) exceeds limit"), "too_large"),
        (OSError("image file is truncated (12 bytes not processed)"), "truncated"),
        (EOFError(), "truncated"),
        (ValueError("not enough image data"), "truncated"),
        (NotImplementedError(), "unsupported"),
        (OSError("unsupported BMP bitfields layout"), "unsupported"),
        (SyntaxError("broken PNG file (chunk b'IDAT')"), "corrupt"),
        (IndexError(), "corrupt"),
    ],
)
def test_reasons(error: Exception, reason: str) -> None:
    """What went wrong, by the class and the words of the error."""
    assert reason_of(error)[0] == reason


@given(st.text(), st.sampled_from([OSError, ValueError, SyntaxError, KeyError, MemoryError]))
def test_every_error_has_a_reason_and_words(text: str, kind: type[Exception]) -> None:
    """Whatever a decoder raises: a reason of the closed list, and one short line of words."""
    reason, detail = reason_of(kind(text))
    assert reason in REASONS
    assert 0 < len(detail) <= 300
    assert len(detail.splitlines()) == 1


def test_details_are_the_same_in_every_run() -> None:
    """An object's address would make each run's failures.jsonl another one."""
    error = OSError("cannot identify <_io.BytesIO object at 0x7f0a1b2c3d4e>")
    assert reason_of(error)[1] == "cannot identify <_io.BytesIO object>"


def test_broken_sample_images(sample_images: Path) -> None:
    """A truncated JPEG and an error page are refused for what they are."""
    truncated = open_image((sample_images / "broken/truncated.jpg").read_bytes(), LIMIT)
    with pytest.raises(OSError, match="truncated") as caught:
        truncated.load()
    assert reason_of(caught.value)[0] == "truncated"
    page = (sample_images / "broken/not-an-image.jpg").read_bytes()
    assert refusal(page).reason == "not_an_image"


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["PNG", "GIF", "BMP", "PPM", "QOI", "TGA", "JPEG", "JPEG"]),
    st.dictionaries(st.integers(16, 900), st.integers(0, 255), max_size=4),
    st.integers(40, 1500),
)
def test_damaged_files_fare_as_with_pillow(name: str, damage: dict[int, int], end: int) -> None:
    """Bytes changed and the end cut off: the reference's tensor, or a failure where it fails."""
    intact = saved(make_image("RGB", (20, 20), 0), name)[:end]
    data = bytes(damage.get(position, byte) for position, byte in enumerate(intact))
    ours, theirs = ours_and_theirs(data)
    assert ours == theirs


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kind", ["RGB", "L", "CMYK"])
def test_jpegs_have_pillows_pixels(kind: str, subsampling: str, *, progressive: bool) -> None:
    """Whichever decoder takes them: colour, gray, print; every way that cameras store colour."""
    for seed, size in enumerate([(1, 1), (17, 33), (160, 121)]):
        image = make_image(kind, size, seed)
        data = saved(image, "JPEG", subsampling=subsampling, progressive=progressive)
        ours, theirs = ours_and_theirs(data)
        assert ours == theirs, size


def test_one_decoder_decodes_many() -> None:
    """Its memory is used again: nothing of a larger image before shows in a smaller one."""
    decoder = Decoder(LIMIT)
    for seed, size in enumerate([(60, 40), (20, 30), (1, 1), (70, 50), (60, 40)]):
        data = saved(make_image("RGB", size, seed), "JPEG")
        pixels = decoder.decode(memoryview(data)).pixels
        assert np.array_equal(np.asarray(pixels), np.asarray(Image.open(io.BytesIO(data)))), size


@pytest.mark.slow
def test_corpus(corpus: Path) -> None:
    """Every real file becomes the reference's tensor, or fails where the reference fails."""
    files = sorted(path for path in corpus.rglob("*") if path.is_file())
    assert files, "the corpus is empty"
    differing = []
    for path in files:
        ours, theirs = ours_and_theirs(path.read_bytes(), 224, best_kernel())
        if ours != theirs:
            differing.append(str(path.relative_to(corpus)))
    assert differing == []
