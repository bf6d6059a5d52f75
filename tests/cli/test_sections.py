"""The help: every option once, each in its section, and nothing too wide for a terminal."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from clip_prep_cli.cli.main import cli
from clip_prep_cli.cli.options import SectionCommand, SectionOption
from clip_prep_cli.run.options import SECTIONS
from tests.support.command import clip_prep

EXPECTED = {
    "What to convert": "files-from null include exclude follow-links hidden",
    "Into what": "model out staging format dtype shard-size overwrite",
    "How images are treated": "exif max-pixels timeout",
    "When run again": "checksum prune retry-failed",
    "When images fail": "max-failures fail-fast",
    "The run": "workers executor scheduler retry-for dry-run json quiet verbose help",
}


def text(*arguments: str, columns: int = 80) -> str:
    """What a help says on a terminal that wide."""
    done = CliRunner().invoke(
        cli,
        [*arguments, "--help"],
        prog_name="clip-prep",
        env={"COLUMNS": str(columns)},
        terminal_width=max(min(columns, 80) - 2, 50),  # the runner has a width of its own
    )
    assert done.exit_code == 0, done.output
    return done.output


def widest(help_text: str) -> int:
    """The length of its longest line."""
    return max(map(len, help_text.splitlines()))


def test_sections() -> None:
    """`convert --help` has the options by task, in this order."""
    found: dict[str, str] = {}
    for line in text("convert").splitlines():
        if title := re.fullmatch(r"(\w.*):", line):
            found[section := title[1]] = ""
        elif option := re.match(r"  (?:-\w, )?--([a-z-]+)", line):
            found[section] += f" {option[1]}"
    assert {title: names.strip() for title, names in found.items()} == EXPECTED
    assert list(found) == list(EXPECTED) == list(SECTIONS)


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_visible_option_has_its_line(name: str) -> None:
    """One, and only one; what is hidden has none."""
    lines = re.findall(r"^  (-.*?)(?:  |$)", text(name), re.MULTILINE)
    assert any("--help" in line for line in lines)
    for param in cli.commands[name].params:
        if isinstance(param, click.Option):
            named = [line for line in lines if set(param.opts) <= set(re.split(r"[ ,]+", line))]
            assert len(named) == (not param.hidden), param.opts


@pytest.mark.parametrize("name", ["", *sorted(cli.commands)])
def test_width(name: str) -> None:
    """The help of every command fits 80 columns, and takes no more where there are more."""
    arguments = [name] if name else []
    assert widest(text(*arguments)) <= 80
    assert text(*arguments, columns=200) == text(*arguments)


@pytest.mark.parametrize("columns", [0, 1, 40])
def test_odd_terminals(columns: int) -> None:
    """However narrow a terminal is, nothing is lost."""
    assert "--retry-failed" in text("convert", columns=columns)


def test_columns_are_in_line() -> None:
    """The texts of all sections begin in the same column."""
    begins = {
        match.end() for line in text("convert").splitlines()
        if (match := re.match(r"  -[^ ].*?  +(?=\S)", line))
    }  # fmt: skip
    assert len(begins) == 1


def test_what_has_no_section_is_in_the_last() -> None:
    """Click's --help, an option that names none, and an empty command."""
    command = SectionCommand(
        "x", params=[SectionOption(["--a"], section=SECTIONS[0]), SectionOption(["--b"]),
                     click.Option(["--c"]), SectionOption(["--d"], hidden=True)],
    )  # fmt: skip
    titles = re.findall(
        r"^(\w.*):$|--(\w+)", command.get_help(click.Context(command)), re.MULTILINE
    )
    assert [title or option for title, option in titles] == [
        *(SECTIONS[0], "a", SECTIONS[-1], "b", "c", "help"),
    ]


def test_the_real_one() -> None:
    """In a process, without a terminal, with whatever COLUMNS is: the same text."""
    assert clip_prep("convert", "--help", env={"COLUMNS": "80"}).stdout == text("convert")
    assert widest(clip_prep("convert", "--help", env={"COLUMNS": "many"}).stdout) <= 80


def test_every_option_is_explained() -> None:
    """README.md or docs/ have every option of the help, by one of its names."""
    here = Path(__file__).parents[2]
    pages = "".join(path.read_text() for path in (here / "README.md", *here.glob("docs/*.md")))
    names = [param.opts for command in cli.commands.values() for param in command.params
             if isinstance(param, click.Option) and not param.hidden]  # fmt: skip
    said = set(re.findall(r"(?<![\w-])--?\w[\w-]*", pages))
    assert [options for options in names if said.isdisjoint(options)] == []
