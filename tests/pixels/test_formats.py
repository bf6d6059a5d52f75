"""The allowed formats and suffixes against what Pillow registers."""

import pytest
from PIL import Image, features

from clip_prep_cli.pixels.formats import FORMATS, SUFFIXES

STARTS_A_PROGRAM = {"EPS"}
DOCUMENTS_AND_DRAWINGS = {"PDF", "WMF", "EMF"}
NEED_A_HANDLER = {"BUFR", "GRIB", "HDF5", "FITS", "MPEG"}


def test_suffixes_are_those_of_the_formats() -> None:
    """A walk takes exactly the suffixes that Pillow registers for what is opened."""
    if not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    allowed = {*FORMATS, "MPO"}
    registered = Image.registered_extensions()
    assert {suffix for suffix, name in registered.items() if name in allowed} == SUFFIXES


def test_every_format_can_be_decoded() -> None:
    """Each is a name of Pillow's, so that none is passed over in silence."""
    Image.init()
    optional = set() if features.check("avif") else {"AVIF"}
    assert set(FORMATS) - optional <= set(Image.OPEN)


def test_no_format_runs_programs_or_is_a_document() -> None:
    """Untrusted files must not reach Ghostscript, or code that only Windows has."""
    assert not set(FORMATS) & (STARTS_A_PROGRAM | DOCUMENTS_AND_DRAWINGS | NEED_A_HANDLER)


def test_formats_are_tried_once_and_the_one_without_signature_last() -> None:
    """A TGA file has no signature: tried earlier it would claim other files."""
    assert len(set(FORMATS)) == len(FORMATS)
    assert FORMATS[-1] == "TGA"


def test_suffixes_are_lower_case() -> None:
    """The walk compares lower-case suffixes, dot included."""
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
