"""simplejpeg's way and Pillow's way: for any file the same pixels, header and verdict."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_prep_cli.pixels.decode import Decoder, open_image, reason_of
from clip_prep_cli.pixels.jpeg import JpegDecoder, plain_header, simplejpeg_agrees
from clip_prep_cli.pixels.pipeline import as_pixels
from clip_prep_cli.pixels.references import OPENAI
from tests.support.images import make_image

LIMIT = 1_000_000
PLAIN: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:2": {"subsampling": "4:2:2"},
    "restarts": {"restart_marker_blocks": 2},
    "comment": {"comment": b"said so"},
    "icc": {"icc_profile": b"profile" * 30},
}
OTHER: dict[str, dict[str, Any]] = {
    "exif": {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"},
    "mpf": {"extra": b"\xff\xe2\0\x10MPF\0II*\0\x08\0\0\0"},
}


def jpeg(kind: str, mode: str = "RGB") -> bytes:
    """A small JPEG file of a smooth picture."""
    image = make_image("RGB", (8, 6), 1).resize((53, 37), Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    image.save(file, "JPEG", **(PLAIN | OTHER)[kind])
    return file.getvalue()


def by_pillow(data: bytes) -> tuple[object, ...]:
    """Header and pixels, or the reason of the failure, without simplejpeg."""
    try:
        image = open_image(data, LIMIT)
        header = (image.format, image.mode, *image.size)
        return *header, as_bytes(as_pixels(image, OPENAI))
    except Exception as error:
        return reason_of(error)


def by_decoder(data: bytes) -> tuple[object, ...]:
    """The same from the package's decoder."""
    try:
        decoded = Decoder(LIMIT).decode(memoryview(data))
        return *decoded[:4], as_bytes(decoded.pixels)
    except Exception as error:
        return reason_of(error)


def as_bytes(pixels: Any) -> bytes:
    """RGB bytes of whatever was decoded."""
    rgb = pixels if isinstance(pixels, np.ndarray) else np.asarray(pixels.convert("RGB"))
    return rgb.tobytes()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_files_are_decoded_without_pillow(kind: str, mode: str) -> None:
    """Photographs as most are: header and pixels are Pillow's, Pillow is not asked."""
    data = jpeg(kind, mode)
    header = plain_header(memoryview(data))
    assert header == (mode, 53, 37)
    pixels = JpegDecoder().decode(memoryview(data), 53, 37)
    assert pixels is not None
    assert as_bytes(pixels) == by_pillow(data)[-1]


@pytest.mark.parametrize("kind", OTHER)
def test_files_with_more_in_them_are_opened_by_pillow(kind: str) -> None:
    """EXIF and MPF segments have a structure that Pillow may refuse."""
    data = jpeg(kind)
    assert plain_header(memoryview(data)) is None
    assert by_decoder(data) == by_pillow(data)


def test_inks_are_left_to_pillow() -> None:
    """CMYK is resized in its own mode."""
    assert isinstance(
        Decoder(LIMIT).decode(memoryview(jpeg("baseline", "CMYK"))).pixels, Image.Image
    )


def test_the_buffer_is_used_again() -> None:
    """The pixels of one image are gone with the next: no memory is taken for it."""
    decoder, data = JpegDecoder(), memoryview(jpeg("baseline"))
    first, second = (decoder.decode(data, 53, 37) for _ in range(2))
    assert first is not None
    assert second is not None
    assert np.shares_memory(first, second)


@pytest.mark.slow
@settings(deadline=None, max_examples=600)
@given(
    kind=st.sampled_from([*PLAIN, *OTHER]),
    mode=st.sampled_from(["RGB", "L"]),
    changes=st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.sampled_from(["set", "cut", "insert", "end"]),
            st.binary(min_size=1, max_size=4),
        ),
        max_size=3,
    ),
)
def test_no_damage_makes_a_difference(
    kind: str, mode: str, changes: list[tuple[float, str, bytes]]
) -> None:
    """Whatever is done to a file, the choice of decoder changes no byte and no verdict."""
    data = jpeg(kind, mode)
    for where, how, new in changes:
        at = int(where**2 * len(data))  # more of it in the header
        old = {"set": len(new), "cut": 3 * len(new), "insert": 0, "end": len(data)}[how]
        data = data[:at] + (b"" if how in ("cut", "end") else new) + data[at + old :]
    assert by_decoder(data) == by_pillow(data)


def test_a_simplejpeg_that_disagrees_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pixel off in one kind of file, and Pillow decodes everything."""
    right = JpegDecoder.decode

    def wrong(self: JpegDecoder, data: memoryview, width: int, height: int) -> Any:
        pixels = right(self, data, width, height)
        if pixels is not None and (pixels == pixels[..., :1]).all():
            pixels[3, 4, 1] ^= 1
        return pixels

    assert simplejpeg_agrees()
    monkeypatch.setattr(JpegDecoder, "decode", wrong)
    assert not simplejpeg_agrees.__wrapped__()
