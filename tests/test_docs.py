"""What the documents say is so: their commands run, their links lead somewhere, options exist."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import click
import pytest

from clip_prep_cli.cli.main import cli
from clip_prep_cli.errors import REASONS
from tests.support.command import environment, paint
from tests.support.documents import DOCUMENTS, ROOT, Block, anchors, blocks, links, read

RUN = ("sh", "console", "python")
"""The languages of which blocks are run."""

OTHERS_OPTIONS = {
    *("--cpus", "--stop-timeout"),  # Docker
    "--cpus-per-task",  # Slurm
    "--n-px",  # benchmarks
    "--randomly-seed",  # pytest
}
"""Options of other programs that the text, outside of blocks, speaks of."""

CRON_LINE = re.compile(r"[A-Z]+=\S+|([0-9*/,-]+ ){5}/\S+( .+)?")
DOCKER_LINE = re.compile(r"(FROM|RUN|COPY|USER|ENTRYPOINT|CMD) .+|")
_SECONDS = 60.0
_INVOCATION = re.compile(
    r"\b(?:clip-prep|CMD) (convert|verify|compact|info|preview|report|models)\b([^|;&\n>]*)"
)
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z0-9])(?![\w-])")


@pytest.mark.slow
def test_every_command_runs(document: str, workspace: Path) -> None:
    """A document's blocks, in their order in one directory, do what the document says."""
    printed = ""
    for block in blocks(document):
        where = f"{document}:{block.line}"
        if block.note == "output":
            assert timeless(printed) == timeless(block.text), where
        elif block.note == "file":
            (workspace / block.why).write_text(block.text)
        elif block.note == "not run" or block.language not in RUN or lacks_program(block):
            continue
        elif block.language == "python":
            (workspace / "block.py").write_text(block.text)
            run(where, workspace, "python", "block.py")
        elif block.language == "console":
            run_console(where, workspace, block.text)
        else:
            text = block.text
            if block.note == "run from":
                text = text[text.rindex(block.why.split('"')[1]) :]
            printed = run(where, workspace, "bash", "-euo", "pipefail", "-c", text)


def test_what_is_not_run_is_well_formed(document: str) -> None:
    """Of what cannot be run here, that is checked which can be."""
    for block in blocks(document):
        where = f"{document}:{block.line}"
        if block.note == "not run":
            assert len(block.why) > 5, where
        if block.language == "sh":
            run(where, ROOT, "bash", "-nc", block.text)
        elif block.language == "crontab":
            assert all(map(CRON_LINE.fullmatch, block.text.splitlines())), where
        elif block.language == "dockerfile":
            check_dockerfile(where, block.text)
        elif block.language == "ini":
            unit = configparser.ConfigParser(interpolation=None, strict=False)
            unit.optionxform = str  # type: ignore[assignment,method-assign]
            unit.read_string(block.text)
            assert set(unit.sections()) <= {"Unit", "Service", "Timer", "Install"}, where
        elif block.note != "file":
            assert block.language in {*RUN, ""}, where


def test_links(document: str) -> None:
    """Links within the project lead to files and headings that are there."""
    check_links(document)


@pytest.mark.parametrize("document", ["CHANGELOG.md", "benchmarks/results/results.md"])
def test_links_elsewhere(document: str) -> None:
    """So do those of the other Markdown files."""
    check_links(document)


def test_options_in_blocks_exist(document: str) -> None:
    """Each option in a block is one of the subcommand that it stands behind."""
    for block in blocks(document):
        text = re.sub(r'["\[\],]', " ", block.text).replace("  ", " ")
        text = text.replace("-prep  ", "-prep ").replace("\\\n", " ").replace("CMD  ", "CMD ")
        for command, arguments in _INVOCATION.findall(text):
            unknown = set(_OPTION.findall(arguments)) - options(command)
            assert not unknown, f"{document}:{block.line}: clip-prep {command} {arguments}"


def test_options_in_the_text_exist(document: str) -> None:
    """Each option that the text speaks of is one of some command."""
    text = "\n".join(re.findall(r"`([^`\n]+)`", outside_blocks(document)))
    known = set().union(*map(options, cli.commands)) | OTHERS_OPTIONS | {"--version"}
    assert {name for name in _OPTION.findall(text) if name.startswith("--")} <= known


def test_variables_exist(document: str) -> None:
    """Each environment variable that a document names is one that is looked at."""
    names = {param.envvar for command in cli.commands.values() for param in command.params}
    found = set(re.findall(r"\bCLIP_PREP_[A-Z_]+\b", read(document)))  # Click's begin with _
    assert found <= names | {"CLIP_PREP_CORPUS"}  # the tests look at that one


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_option_is_documented(command: str) -> None:
    """Each option that `--help` shows is in the README or the documents."""
    text = "".join(map(read, DOCUMENTS))
    missing = [
        param.opts
        for param in cli.commands[command].params
        if isinstance(param, click.Option)
        and not param.hidden
        and not any(re.search(rf"(?<![\w-]){name}(?![\w-])", text) for name in param.opts)
    ]
    assert not missing


def test_format_names_every_member() -> None:
    """docs/format.md has each member of the manifest's schema, and the closed list of reasons."""
    text = read("docs/format.md")
    schema = json.loads(read("clip_prep_cli/manifest.schema.json"))
    assert [name for name in members(schema) if f"`{name}`" not in text] == []
    table = text.partition("The closed list of reasons:\n\n")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)[1:]) == REASONS


def test_figures_are_those_of_the_results() -> None:
    """docs/performance.md has the stages and rates that benchmarks/results has."""
    text, results = read("docs/performance.md"), read("benchmarks/results/results.md")
    stages = [line for line in results.partition("| stage")[2].splitlines()[2:] if line]
    assert [line for line in stages if line not in text] == []
    found = json.loads(read("benchmarks/results/results.json"))["subjects"]
    for name, said in (("clip-prep, 2 workers", "{} images/s"), ("reference", "{} with the")):
        assert said.format(round(found[name]["images_per_second"])) in text


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest) -> str:
    """The README, or one of docs/*.md."""
    name: str = request.param
    return name


@pytest.fixture
def workspace(tmp_path: Path, document: str) -> Path:
    """A directory in which everything is that the documents take for granted.

    The README makes its set itself, the others go on with one of `photos`.
    """
    directory = tmp_path / "workspace"
    shutil.copytree(ROOT / "sample_images", directory / "sample_images")
    (directory / "benchmarks").symlink_to(ROOT / "benchmarks")
    for seed, name in enumerate(("cats", "dogs") * 4):
        (directory / "photos" / name).mkdir(parents=True, exist_ok=True)
        paint(directory / "photos" / name / f"{seed}.jpg", seed)
    (directory / "bin").mkdir()
    for name, command in (("python", ""), ("clip-prep", "-m clip_prep_cli")):
        program = directory / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {command} "$@"\n')
        program.chmod(0o755)
    if document != "README.md":
        made = "clip-prep convert photos --model ViT-B/32 --out tensors"
        run("the set that the documents begin with", directory, "sh", "-c", made)
    return directory


def run(where: str, directory: Path, *command: str) -> str:
    """What a command prints, which must succeed."""
    programs = os.pathsep.join([str(directory / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment({"PATH": programs, "CLIP_PREP_WORKERS": "1"}),  # the quickest here
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{where}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout


def lacks_program(block: Block) -> bool:
    """Whether it needs a program that a system may lack."""
    return block.text.startswith("make ") and not shutil.which("make")


def run_console(where: str, directory: Path, text: str) -> None:
    """Run the lines that begin with `$ ` in one shell, and compare what each prints."""
    first, *steps = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert first == "", where
    commands, expected = zip(*(step.split("\n", 1) for step in steps), strict=True)
    script = "".join(f"{{ {line}\n}} >said.{n} 2>&1\n" for n, line in enumerate(commands))
    run(where, directory, "bash", "-c", f"{script}true")
    for number, (command, output) in enumerate(zip(commands, expected, strict=True)):
        said = (directory / f"said.{number}").read_text()
        assert timeless(said) == timeless(output), f"{where}: {command}"


def timeless(text: str) -> str:
    """A text without what differs from run to run: fractions and rates."""
    return re.sub(r"\d+\.\d+(e-\d+)?|\d+(?= images/s)", "0", text)


def check_links(document: str) -> None:
    """Assert that each link leads to a file, or to a heading of one."""
    for target in links(document):
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        assert path.exists(), f"{document}: {target}"
        if anchor:
            assert anchor in anchors(os.path.relpath(path, ROOT)), f"{document}: {target}"


def check_dockerfile(where: str, text: str) -> None:
    """Assert that it has known instructions only, and that CMD is a command line."""
    for line in text.splitlines():
        assert DOCKER_LINE.fullmatch(line), f"{where}: {line}"
    name, *arguments = json.loads(text.rpartition("\nCMD ")[2])
    cli.commands[name].make_context(name, arguments)


def options(command: str) -> set[str]:
    """The options of a subcommand, short and long."""
    found = {"-h", "--help"}
    for param in cli.commands[command].params:
        found.update(param.opts)
    return found


def outside_blocks(document: str) -> str:
    """The text of a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", read(document), flags=re.DOTALL | re.MULTILINE)


def members(schema: object) -> Iterable[str]:
    """The names of all members that a JSON Schema knows."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties":
                yield from value
            yield from members(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from members(value)
