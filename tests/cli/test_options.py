"""Click's part of the options: what is taken, what it becomes, what is refused."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from clip_prep_cli.cli.convert import convert
from clip_prep_cli.cli.params import FailureLimit, ModelName, failure_limit
from clip_prep_cli.pixels.models import MODELS

NEEDED = ["images", "-m", "RN50", "-o", "out"]


def parse(*arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """The options as the command gets them."""
    with CliRunner().isolation(env=env):
        return convert.make_context("convert", [*arguments]).params


def test_defaults() -> None:
    """What a run does unless told otherwise is part of the contract."""
    options = parse(*NEEDED)
    assert {name: str(value) for name, value in options.items() if value} == {
        "inputs": "('images',)",
        "models": "('RN50',)",
        "out": "out",
        "format": "npy",
        "dtype": "float32",
        "shard_size": "1024",
        "exif": "ignore",
        "resize": "native",
        "max_pixels": "178956970",
        "timeout": "60.0",
        "retry_for": "300.0",
        "max_failures": "FailureLimit(value=0, percent=False)",
        "executor": "local",
    }


@pytest.mark.parametrize("missing", ["models", "out"])
def test_what_is_needed(missing: str) -> None:
    """A model and an output must be named."""
    given = {"inputs": ["images"], "models": ["-m", "RN50"], "out": ["-o", "out"]}
    rest = [word for name, words in given.items() if name != missing for word in words]
    with pytest.raises(click.UsageError, match="Missing"):
        parse(*rest)


@pytest.mark.parametrize("name", [*MODELS, "all"])
def test_model_names_in_any_case(name: str) -> None:
    """The name becomes OpenAI's spelling."""
    for spelling in (name, name.lower(), name.upper()):
        assert parse("images", "-o", "out", "-m", spelling)["models"] == (name,)


def test_models_can_be_repeated() -> None:
    """All of them count."""
    assert parse(*NEEDED, "-m", "vit-b/32")["models"] == ("RN50", "ViT-B/32")


@pytest.mark.parametrize(
    ("wrong", "meant"), [("ViT-B32", "ViT-B/32"), ("vit-l-14", "ViT-L/14"), ("RN5", "RN50")]
)
def test_a_wrong_model_name_gets_a_hint(wrong: str, meant: str) -> None:
    """The nearest name is offered."""
    with pytest.raises(click.UsageError, match=f"Did you mean {meant}"):
        parse("images", "-o", "out", "-m", wrong)


def test_a_strange_model_name_gets_no_hint() -> None:
    """Nothing is near it; the command that lists the names is."""
    with pytest.raises(click.UsageError, match="clip-prep models") as caught:
        parse("images", "-o", "out", "-m", "resnet!")
    assert "Did you mean" not in caught.value.message


def test_model_names_complete() -> None:
    """The shell gets the names that begin like the word, in any case."""
    option = click.Option(["-m"], type=ModelName())
    items = ModelName().shell_complete(click.Context(click.Command("x")), option, "vit-l")
    assert [item.value for item in items] == ["ViT-L/14", "ViT-L/14@336px"]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", FailureLimit(0)),
        ("25", FailureLimit(25)),
        ("0%", FailureLimit(0, percent=True)),
        ("2.5%", FailureLimit(2.5, percent=True)),
        ("100%", FailureLimit(100, percent=True)),
    ],
)
def test_failure_limits(text: str, limit: FailureLimit) -> None:
    """A number, or a percentage."""
    assert failure_limit(text) == limit


@pytest.mark.parametrize(
    "text", ["", "%", "many", "-1", "2.5", "101%", "-1%", "nan%", "inf%", "5%%"]
)
def test_wrong_failure_limits(text: str) -> None:
    """Anything else is a usage error."""
    with pytest.raises(click.BadParameter):
        failure_limit(text)


@pytest.mark.parametrize(
    ("limit", "failed", "listed", "exceeded"),
    [
        (FailureLimit(0), 0, 10, False),
        (FailureLimit(0), 1, 10, True),
        (FailureLimit(3), 3, 10, False),
        (FailureLimit(3), 4, 10, True),
        (FailureLimit(10, percent=True), 1, 10, False),
        (FailureLimit(10, percent=True), 2, 10, True),
        (FailureLimit(0.5, percent=True), 5, 1000, False),
        (FailureLimit(0.5, percent=True), 6, 1000, True),
        (FailureLimit(100, percent=True), 10, 10, False),
        (FailureLimit(0, percent=True), 0, 0, False),
    ],
)
def test_limits_are_exceeded_only_above(
    limit: FailureLimit, failed: int, listed: int, *, exceeded: bool
) -> None:
    """As many failures as the limit are still success."""
    assert limit.exceeded(failed, listed) == exceeded


@pytest.mark.parametrize(
    "wrong",
    [
        ("--shard-size", "0"),
        ("--shard-size", "16777217"),
        ("-j", "0"),
        ("--timeout", "0"),
        ("--timeout", "nan"),
        ("--timeout", "-inf"),
        ("--max-pixels", "0"),
        ("--dtype", "float64"),
        ("--format", "npz"),
        ("--exif", "maybe"),
    ],
)
def test_values_out_of_range_are_refused(wrong: tuple[str, str]) -> None:
    """Click refuses them before anything is done."""
    with pytest.raises(click.BadParameter):
        parse(*NEEDED, *wrong)


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("CLIP_PREP_MODEL", "RN50x4 all", "models", ("RN50x4", "all")),
        ("CLIP_PREP_SHARD_SIZE", "7", "shard_size", 7),
        ("CLIP_PREP_WORKERS", "3", "workers", 3),
        ("CLIP_PREP_FORMAT", "pt", "format", "pt"),
        ("CLIP_PREP_MAX_FAILURES", "5%", "max_failures", FailureLimit(5, percent=True)),
        ("CLIP_PREP_FAIL_FAST", "1", "fail_fast", True),
        ("CLIP_PREP_JSON", "1", "as_json", True),
        ("CLIP_PREP_DRY_RUN", "true", "dry_run", True),
    ],
)
def test_options_from_the_environment(variable: str, text: str, name: str, value: object) -> None:
    """Every option has its CLIP_PREP_ variable."""
    assert parse("images", "-o", "out", "-m", "RN50", env={variable: text})[name] == value or (
        name == "models" and parse("images", "-o", "out", env={variable: text})[name] == value
    )


def test_the_command_line_wins_over_the_environment() -> None:
    """A variable is only a default."""
    assert parse(*NEEDED, "-j", "2", env={"CLIP_PREP_WORKERS": "3"})["workers"] == 2
