"""The package from Python: the same bits and the same job as the command."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import clip_prep_cli
from clip_prep_cli.errors import ImageError, UsageError
from tests.support.command import (
    album,
    convert,
    environment,
    paint,
    paths,
    shard_rows,
    shards,
    tree_digest,
)

pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency")


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_preprocess_gives_the_bits_of_a_shard(
    dtype: str, sample_images: Path, tmp_path: Path
) -> None:
    """A path, its bytes and the opened image all give what the command writes."""
    options = ("-m", "RN50x4", "--dtype", dtype, "--exclude", "broken")
    convert(sample_images, tmp_path / "out", *options)
    rows = shard_rows(shards(tmp_path / "out", 288)[0])
    for name, row in zip(paths(tmp_path / "out"), rows, strict=True):
        path = sample_images / name
        with Image.open(path) as opened:
            for image in (path, str(path), path.read_bytes(), opened):
                found = clip_prep_cli.preprocess(image, "RN50x4", dtype)
                assert (found.shape, str(found.dtype)) == ((3, 288, 288), dtype)
                assert found.tobytes() == row, (name, type(image))


def test_preprocess_says_what_is_wrong(tmp_path: Path) -> None:
    """Images, models and dtypes that cannot be have an error of their own."""
    (tmp_path / "bad.png").write_text("no image")
    with pytest.raises(ImageError, match=r"bad\.png: not_an_image: the content is text") as caught:
        clip_prep_cli.preprocess(tmp_path / "bad.png")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (str(again), again.reason) == (str(caught.value), "not_an_image")
    with pytest.raises(UsageError, match="ViT-L/14@336px"):
        clip_prep_cli.preprocess(paint(tmp_path / "a.png"), "ViT")
    with pytest.raises(UsageError, match="float16"):
        clip_prep_cli.preprocess(tmp_path / "a.png", dtype="int8")
    with pytest.raises(FileNotFoundError):
        clip_prep_cli.preprocess(tmp_path / "none.png")


def test_convert_is_the_command(tmp_path: Path) -> None:
    """The same options give the same set; progress is told, and the report says what was done."""
    source = album(tmp_path / "in", 12)
    (source / "bad.jpg").touch()
    seen = []
    report = clip_prep_cli.convert(
        source,
        "ViT-B/32",
        tmp_path / "out",
        dtype="uint8",
        shard_size=5,
        workers=2,
        exclude=["0003.png"],
        on_progress=lambda tally: seen.append(tally.converted),
    )
    options = ("--shard-size", "5", "--exclude", "0003.png")
    convert(source, tmp_path / "other", *options, status=3)
    assert tree_digest(tmp_path / "out") == tree_digest(tmp_path / "other")
    assert (report.tally.converted, report.failed, report.complete) == (11, 1, True)
    assert [failure.reason for failure in report.failures] == ["not_an_image"]
    assert seen[-1] == 11
    again = clip_prep_cli.convert(
        [source], ["ViT-B/32"], tmp_path / "out", dtype="uint8", shard_size=5, dry_run=True
    )
    assert (again.tally.planned, again.tally.unchanged, again.dry_run) == (1, 11, True)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("ViT", {}, "is not a known model"),
        ("RN50", {"dtype": "int8"}, "dtype cannot be 'int8'"),
        ("RN50", {"format": "npz"}, "npy, pt"),
        ("RN50", {"shard_size": 0}, "shard_size cannot be 0"),
        ("RN50", {"timeout": float("nan")}, "timeout cannot be nan"),
        ("RN50", {"dtype": "bfloat16"}, "cannot hold bfloat16"),
    ],
)
def test_convert_checks_its_options(
    model: str,
    options: clip_prep_cli.ConvertOptions,
    words: str,
    tmp_path: Path,
) -> None:
    """A value that cannot be is refused with words, before anything is done."""
    with pytest.raises(UsageError, match=words):
        clip_prep_cli.convert(album(tmp_path / "in", 1), model, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_convert_knows_its_options(tmp_path: Path) -> None:
    """A misspelt option is an error, not ignored."""
    with pytest.raises(TypeError, match="unknown option: shardsize"):
        clip_prep_cli.convert(tmp_path, "RN50", tmp_path / "out", shardsize=5)  # type: ignore[call-arg]


def test_a_progress_callback_can_end_the_run(tmp_path: Path) -> None:
    """What it raises comes out; the set is whole, and the same call goes on."""
    source, out = album(tmp_path / "in", 40), tmp_path / "out"

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clip_prep_cli.convert(source, "RN50", out, shard_size=4, on_progress=stop)
    assert not list(out.rglob("*.partial"))
    assert clip_prep_cli.convert(source, "RN50", out, shard_size=4).complete
    assert len(paths(out)) == 40


def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    """Workers do not run the script again that calls `convert`."""
    source = album(tmp_path / "in", 8)
    script = tmp_path / "script.py"
    script.write_text(
        "import clip_prep_cli\n"
        "print('once')\n"
        f"clip_prep_cli.convert({str(source)!r}, 'RN50', {str(tmp_path / 'out')!r}, workers=2)\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    assert done.stdout == "once\n"
    assert len(paths(tmp_path / "out")) == 8


def test_names_are_imported_when_they_are_asked_for() -> None:
    """The package itself imports neither NumPy nor torch, and has no other names."""
    code = "import sys, clip_prep_cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"numpy", "torch", "PIL"} & set(done.stdout.split()) == set()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = clip_prep_cli.nothing
