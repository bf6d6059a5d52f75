"""The command line: what it takes, what it says and where, and how it ends."""

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support.command import (
    SECONDS,
    SMALL,
    album,
    clip_prep,
    convert,
    customized,
    environment,
    failed,
    paint,
)
from tests.support.oracle import PUBLISHED

OPTIONS = (
    *("--model", "--out", "--format", "--dtype", "--shard-size", "--workers", "--include"),
    *("--exclude", "--follow-links", "--hidden", "--exif", "--max-pixels", "--timeout"),
    *("--max-failures", "--fail-fast", "--retry-failed", "--overwrite", "--dry-run", "--json"),
    *("--quiet", "--verbose"),
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of three images."""
    return album(tmp_path_factory.mktemp("pictures") / "in", 3)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of 8 images, 12 files that are none, and a text."""
    directory = album(tmp_path_factory.mktemp("mixed") / "in", 8)
    for number in range(12):
        (directory / f"bad-{number:02}.jpg").touch()
    (directory / "notes.txt").write_text("not an image")
    return directory


@pytest.mark.parametrize("command", [("--help",), ("-h",), ("models", "-h"), ("convert", "-h")])
def test_help(command: tuple[str, ...]) -> None:
    """Every command explains itself on stdout."""
    done = clip_prep(*command)
    assert done.stdout.startswith("Usage: clip-prep")
    assert not done.stderr


def test_help_names_all_options_and_exit_statuses() -> None:
    """`convert --help` has every option; `--help` says what the exit statuses mean."""
    text = clip_prep("convert", "--help").stdout
    assert [option for option in OPTIONS if option not in text] == []
    text = clip_prep("--help").stdout
    assert [status for status in ("0", "1", "2", "3", "75", "130/143") if status not in text] == []


def test_version() -> None:
    """--version names the versions that decide over the pixels, one per line."""
    names = [line.split(maxsplit=1)[0] for line in clip_prep("--version").stdout.splitlines()]
    assert {"clip-prep", "python", "numpy", "pillow", "libjpeg-turbo"} <= set(names)


def test_models() -> None:
    """`models` lists OpenAI's nine names and their resolutions, for people and as JSON."""
    lines = [line.split() for line in clip_prep("models").stdout.splitlines()]
    assert {name: int(n_px) for name, n_px, _ in lines} == PUBLISHED
    assert json.loads(clip_prep("models", "--json").stdout) == PUBLISHED


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("ViT-B32", "ViT-B/32"), ("vit-l/14@336", "ViT-L/14@336px"), ("RN50-x16", "RN50x16")],
)
def test_wrong_model_names_suggest_the_right_one(wrong: str, right: str, pictures: Path) -> None:
    """A name that is nearly a model's is refused with the model's."""
    done = clip_prep("convert", pictures, "-m", wrong, "-o", "never", status=2)
    assert f"Did you mean {right}?" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--dtype", "bfloat16"), "cannot hold bfloat16"),
        (("--dtype", "int8"), "'int8' is not one of"),
        (("--shard-size", "0"), "--shard-size"),
        (("--workers", "0"), "--workers"),
        (("--timeout", "0"), "--timeout"),
        (("--max-failures", "101%"), "out of range"),
        (("--max-failures", "some"), "neither a number nor a percentage"),
        (("--no-such-option",), "--no-such-option"),
        (("missing.jpg",), "missing.jpg does not exist"),
    ],
)
def test_wrong_usage(options: tuple[str, ...], words: str, pictures: Path, tmp_path: Path) -> None:
    """What is wrong with an option is said on stderr, and nothing is made."""
    done = convert(pictures, tmp_path / "out", *options, status=2)
    assert words in done.stderr
    assert not done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "Check the path."),
        ("s3:/bucket/photos", "Did you mean s3://bucket/photos?"),
        ("s3//bucket/photos", "Did you mean s3://bucket/photos?"),
        ("GS:bucket/photos", "Did you mean gs://bucket/photos?"),
        ("http:/host/photos", "Did you mean http://host/photos?"),
        ("s3://", "has no bucket or host"),
        ("sftp://", "has no bucket or host"),
        ("a.tar/1.png", "Name the archive, a.tar, and select images in it with --include."),
    ],
)
def test_inputs_that_do_not_exist(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody may have meant is said."""
    monkeypatch.chdir(tmp_path)
    Path("a.tar").touch()
    assert words in clip_prep("convert", "-mRN50", "-o", "out", name, status=2).stderr
    assert not Path("out").exists()


def test_an_output_that_is_nearly_a_url(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slash too few makes no directory, unless that is what it is to be."""
    monkeypatch.chdir(tmp_path)
    done = clip_prep("convert", "-mRN50", "-o", "s3:/bucket/out", pictures, status=2)
    whole = tmp_path / "s3:/bucket/out"
    assert f"Did you mean s3://bucket/out? If not, write {whole}." in done.stderr
    assert not list(tmp_path.iterdir())
    clip_prep("convert", "-mRN50", "--dtype=uint8", "-o", whole, pictures)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("-m", "Missing option '-m' / '--model'"),
        ("-o", "Missing option '-o' / '--out'"),
        ("INPUT", "No input was given.\nName directories or images, or a list with --files-from"),
    ],
)
def test_what_is_required(missing: str, words: str, pictures: Path, tmp_path: Path) -> None:
    """Without a model, an output or an input nothing is done."""
    options = {"-m": "-mRN50", "-o": f"-o{tmp_path / 'out'}", "INPUT": str(pictures)}
    del options[missing]
    assert words in clip_prep("convert", *options.values(), status=2).stderr


def test_outputs_that_cannot_be(pictures: Path, tmp_path: Path) -> None:
    """An output inside an input, or that is a file, or below one, is refused by name."""
    file = paint(tmp_path / "file.png")
    inside = convert(pictures, pictures / "out", status=2)
    assert f"{pictures / 'out'} is inside the input {pictures}" in inside.stderr
    a_file = convert(pictures, file, status=2)
    assert f"{file} is a file" in a_file.stderr
    below = convert(pictures, file / "out", status=1)
    assert f"Cannot write to {file / 'out'}" in below.stderr
    assert not (pictures / "out").exists()


@pytest.mark.parametrize("option", ["--overwrite", "--dry-run"])
def test_no_images(option: str, tmp_path: Path) -> None:
    """Inputs without any image are an error that names what was passed over; nothing is made."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").touch()
    done = convert(tmp_path / "in", tmp_path / "out", option, status=1)
    assert "contain no images" in done.stderr
    assert ".txt 1" in done.stderr
    assert os.listdir(tmp_path) == ["in"]


def test_pt_needs_torch(pictures: Path, tmp_path: Path) -> None:
    """Without PyTorch --format pt is refused, with the way to install it."""
    without = customized(tmp_path / "no-torch", "import sys; sys.modules['torch'] = None")
    out = tmp_path / "out"
    assert "pip install" in convert(pictures, out, "--format", "pt", status=2, env=without).stderr
    assert not out.exists()
    convert(pictures, out, env=without)


def test_environment_variables(pictures: Path, tmp_path: Path) -> None:
    """Options come from CLIP_PREP_... variables too; the command line has precedence."""
    variables = {
        "CLIP_PREP_MODEL": "RN50 RN50x4",
        "CLIP_PREP_OUT": str(tmp_path / "out"),
        "CLIP_PREP_DTYPE": "float16",
        "CLIP_PREP_SHARD_SIZE": "2",
        "CLIP_PREP_JSON": "1",
    }
    done = clip_prep("convert", pictures, "--dtype", "uint8", env=variables)
    result = json.loads(done.stdout)
    assert result["resolutions"] == [224, 288]
    assert (result["dtype"], result["shards"]) == ("uint8", 2)
    done = clip_prep("convert", pictures, status=2, env={**variables, "CLIP_PREP_FORMAT": "zarr"})
    assert "'zarr' is not one of" in done.stderr


def test_json(mixed: Path, tmp_path: Path) -> None:
    """--json gives one object on stdout, whose counts are those of the files."""
    done = convert(mixed, tmp_path / "out", "--json", "--max-failures", "12")
    result = json.loads(done.stdout)
    assert not done.stderr
    assert (result["complete"], result["dry_run"]) == (True, False)
    assert (result["listed"], result["planned"]) == (20, 20)
    assert (result["converted"], result["unchanged"], result["failed"]) == (8, 0, 12)
    assert result["ignored"] == {".txt": 1}
    assert result["tensor_bytes"] == 8 * 3 * 224 * 224
    assert [failure["path"] for failure in result["failures"]] == sorted(failed(tmp_path / "out"))
    assert {failure["root"] for failure in result["failures"]} == {str(mixed)}


def test_quiet(pictures: Path, mixed: Path, tmp_path: Path) -> None:
    """-q says nothing if all went well; failures are reported all the same."""
    done = convert(pictures, tmp_path / "good", "-q")
    assert (done.stdout, done.stderr) == ("", "")
    done = convert(mixed, tmp_path / "bad", "-q", status=3)
    assert "bad-00.jpg: not_an_image" in done.stdout


def test_verbose(mixed: Path, tmp_path: Path) -> None:
    """The summary names some failures and how many more there are; with -v it names all."""
    short = convert(mixed, tmp_path / "out", status=3).stdout
    assert (short.count("not_an_image"), "... and 2 more" in short) == (10, True)
    assert f"{tmp_path / 'out'}/failures.jsonl" in short
    again = convert(mixed, tmp_path / "out", "-v", "--retry-failed", status=3).stdout
    assert (again.count("not_an_image"), "more" in again) == (12, False)


@pytest.mark.parametrize("option", ["--dry-run", "-n"])
def test_dry_run(option: str, mixed: Path, tmp_path: Path) -> None:
    """A dry run says what would be done, and writes nothing."""
    done = convert(mixed, tmp_path / "out", option, "--shard-size", "15")
    assert "Would convert 20 images" in done.stdout
    assert "2 shards" in done.stdout
    assert os.listdir(tmp_path) == []
    result = json.loads(convert(mixed, tmp_path / "out", option, "--json").stdout)
    assert (result["dry_run"], result["planned"], result["converted"]) == (True, 20, 0)
    assert os.listdir(tmp_path) == []


def test_max_failures(mixed: Path, tmp_path: Path) -> None:
    """12 failures of 20 images are a success from --max-failures 12 or 60% on, in every run."""
    convert(mixed, tmp_path / "strict", "--max-failures", "11", status=3)
    convert(mixed, tmp_path / "out", "--max-failures", "12")
    for limit, status in (("0", 3), ("11", 3), ("12", 0), ("59.9%", 3), ("60%", 0), ("100%", 0)):
        convert(mixed, tmp_path / "out", "--max-failures", limit, status=status)


def test_fail_fast(tmp_path: Path) -> None:
    """--fail-fast ends a run at the first failure, and only then."""
    source = album(tmp_path / "in", 40)
    done = convert(source, tmp_path / "good", "--fail-fast", "--json")
    assert json.loads(done.stdout)["complete"]
    (source / "0000.jpg").touch()
    done = convert(source, tmp_path / "bad", "--fail-fast", "--json", "-j", "1", status=3)
    tolerant = ("--fail-fast", "--max-failures", "30", "-j", "1")
    convert(source, tmp_path / "tolerant", *tolerant, status=3)  # it is incomplete
    result = json.loads(done.stdout)
    assert not result["complete"]
    assert result["converted"] < 39
    assert [failure["path"] for failure in result["failures"]] == ["0000.jpg"]


def test_progress_is_not_on_stdout(pictures: Path, tmp_path: Path) -> None:
    """On a terminal there is a progress bar on stderr; stdout has the result alone."""
    terminal, stderr = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    command = (sys.executable, "-m", "clip_prep_cli", "convert", *SMALL, pictures)
    done = subprocess.run(
        [*command, "-o", tmp_path / "out"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=stderr,
        timeout=SECONDS,
        check=True,
    )
    shown = os.read(terminal, 1 << 16)
    os.close(stderr)
    os.close(terminal)
    assert b"%" in shown
    assert b"images" in shown
    assert [line.split()[0] for line in done.stdout.splitlines()] == [b"Converted"]


def test_names_are_not_printed_raw(tmp_path: Path) -> None:
    """Control characters and bytes that are no UTF-8 in file names are shown escaped."""
    bad = tmp_path / "in" / os.fsdecode(b"\x1b[31mred\nline\r\xff.jpg")
    bad.parent.mkdir()
    bad.touch()
    done = convert(tmp_path / "in", tmp_path / "out", status=3)
    assert r"  \x1b[31mred\nline\r\xff.jpg: not_an_image" in done.stdout.splitlines()[3]
    done = convert(bad, tmp_path / "\x1bout", status=3)
    assert "\x1b" not in done.stdout


def test_names_in_error_messages_are_not_printed_raw(tmp_path: Path) -> None:
    """A name with control characters cannot forge lines of an error message."""
    done = convert(tmp_path / "\x1b[31mred\nline.jpg", tmp_path / "out", status=2)
    assert r"\x1b[31mred\nline.jpg does not exist" in done.stderr


_NOTE_IMPORTS = """
import os, sys

def look(event, arguments):
    if event == "import" and arguments[0] in {"click", "numpy", "PIL", "torch"}:
        note = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(note, f"{arguments[0]}\\n".encode())
        os.close(note)

sys.addaudithook(look)
"""


@pytest.mark.slow
def test_what_is_imported(pictures: Path, tmp_path: Path) -> None:
    """No process of an .npy run imports torch; what only informs imports nothing heavy."""
    notes = tmp_path / "notes"
    noted = {**customized(tmp_path / "hook", _NOTE_IMPORTS), "NOTES": str(notes)}
    for quick in (("--help",), ("convert", "--help"), ("models",)):
        clip_prep(*quick, env=noted)
    convert(pictures, tmp_path / "out", "--dtype", "int8", status=2, env=noted)
    assert set(notes.read_text().split()) == {"click"}
    convert(pictures, tmp_path / "out", env=noted)
    assert set(notes.read_text().split()) == {"click", "numpy", "PIL"}
