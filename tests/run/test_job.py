"""A job checks its settings before anything is done."""

from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pytest

import clip_prep_cli
from clip_prep_cli.errors import UsageError
from clip_prep_cli.run.job import Job, make_job
from clip_prep_cli.run.options import ConvertOptions
from tests.support.command import album, convert, tree_digest


def job(inputs: list[Path], out: Path, **options: Unpack[ConvertOptions]) -> Job:
    """A job for one model."""
    return make_job(inputs, ["ViT-B/32"], out, options)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """An input directory with a subdirectory, and a link to it beside it."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("in")
    return tmp_path / "in"


@pytest.mark.parametrize("out", ["in", "in/out", "in/sub/a/b", "other/../in", "link/out", "link"])
def test_the_output_is_not_inside_an_input(out: str, pictures: Path, tmp_path: Path) -> None:
    """However it is spelled, an output that would be walked is refused."""
    with pytest.raises(UsageError, match="is inside the input"):
        job([pictures], tmp_path / out)


def test_an_input_by_a_link(pictures: Path, tmp_path: Path) -> None:
    """An input that is a link to the directory of the output is refused too."""
    with pytest.raises(UsageError, match="is inside the input"):
        job([tmp_path / "link"], pictures / "out")


@pytest.mark.parametrize("out", ["out", "in2", "in/../out"])
def test_outputs_beside_inputs(out: str, pictures: Path, tmp_path: Path) -> None:
    """An output beside an input is fine, also if its name begins like the input's."""
    assert job([pictures], tmp_path / out).out.here == tmp_path / out


def test_the_output_of_a_file(pictures: Path) -> None:
    """An output may lie beside an image that is named itself: nothing is walked."""
    (pictures / "a.png").touch()
    assert job([pictures / "a.png"], pictures / "out").out.here == pictures / "out"


def test_an_output_that_is_a_file(pictures: Path, tmp_path: Path) -> None:
    """A file is no output."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        job([pictures], tmp_path / "file")


def test_inputs_exist(pictures: Path, tmp_path: Path) -> None:
    """Each input must exist; the first that does not is named."""
    (tmp_path / "dangling").symlink_to("nowhere")
    for missing in ("none", "dangling"):
        with pytest.raises(UsageError, match=f"{missing} does not exist"):
            job([pictures, tmp_path / missing], tmp_path / "out")


@pytest.mark.parametrize("suffix", ["npy", "pt"])
def test_dtypes(suffix: str, pictures: Path, tmp_path: Path) -> None:
    """Each format takes the dtypes that it can hold."""
    for dtype in ("float32", "float16", "uint8"):
        job([pictures], tmp_path / "out", dtype=dtype, format=suffix)
    if suffix == "pt":
        job([pictures], tmp_path / "out", dtype="bfloat16", format=suffix)
    else:
        with pytest.raises(UsageError, match="bfloat16"):
            job([pictures], tmp_path / "out", dtype="bfloat16", format=suffix)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"dtype": "float64"}, "dtype cannot be 'float64'"),
        ({"format": "npz"}, "format cannot be 'npz'"),
        ({"exif": True}, "exif cannot be True"),
        ({"executor": 5}, "from Python, an instance of Executor"),
        ({"shard_size": 0}, "shard_size cannot be 0"),
        ({"shard_size": 1 << 25}, "at most"),
        ({"workers": 0}, "workers cannot be 0"),
        ({"max_pixels": -1}, "max_pixels cannot be -1"),
        ({"timeout": 0.0}, "above 0"),
        ({"timeout": float("nan")}, "timeout cannot be nan"),
        ({"timeout": None}, "a number above 0"),
        ({"shard_size": "5"}, "a whole number"),
        ({"shard_size": None}, "a whole number"),
        ({"shard_size": 1.5}, "a whole number"),
        ({"shard_size": True}, "a whole number"),
        ({"shard_size": np.int64(0)}, "at least 1"),
        ({"workers": np.int64(0)}, "at least 1"),
        ({"retry_for": "5"}, "a number of at least 0"),
        ({"overwrite": "no"}, "True or False"),
        ({"prune": None}, "True or False"),
        ({"retry_for": -0.5}, "at least 0"),
        ({"slots": 0}, "slots cannot be 0"),
        ({"null": True}, "--files-from"),
        ({"scheduler": "tcp://here:1"}, "--scheduler"),
    ],
)
def test_values_that_an_option_cannot_have(
    option: dict[str, Any], said: str, pictures: Path, tmp_path: Path
) -> None:
    """From Python too they are refused before anything is done, each with what it can be."""
    with pytest.raises(UsageError, match=said):
        make_job([pictures], ["RN50"], tmp_path / "out", option)  # type: ignore[arg-type]


def test_an_unknown_option(pictures: Path, tmp_path: Path) -> None:
    """It is a mistake in the program, as a misspelled keyword is."""
    with pytest.raises(TypeError, match="colour"):
        make_job([pictures], ["RN50"], tmp_path / "out", {"colour": 1})  # type: ignore[typeddict-unknown-key]


def test_values_are_of_the_options_types(pictures: Path, tmp_path: Path) -> None:
    """Whatever kinds of numbers Python's callers have; and patterns can be looked at twice."""
    patterns = (name for name in ("*.jpg", "*.png"))
    options: dict[str, Any] = {"shard_size": np.int64(7), "timeout": 5, "include": patterns}
    found = job([pictures], tmp_path / "out", **options)
    assert type(found.settings.shard_size) is int
    assert type(found.options["timeout"]) is float
    assert found.selection == found.selection
    assert found.selection.include == ("*.jpg", "*.png")


def test_a_wrong_type_costs_no_set(tmp_path: Path) -> None:
    """It is refused before the set that it would have replaced is given up."""
    source, out = album(tmp_path / "in", 2), tmp_path / "out"
    convert(source, out)
    before = tree_digest(out)
    wrong: dict[str, Any] = {"shard_size": "5", "overwrite": True}
    with pytest.raises(UsageError, match="shard_size"):
        clip_prep_cli.convert(source, "ViT-B/32", out, **wrong)
    assert tree_digest(out) == before
