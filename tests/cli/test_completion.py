"""Completion in shells: what Click's scripts ask for, and what they get."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from clip_prep_cli.cli.main import cli
from clip_prep_cli.pixels.models import MODELS
from tests.support.command import SECONDS, clip_prep

COMMANDS = ["compact", "convert", "info", "models", "preview", "report", "verify"]

BASH = shutil.which("bash")


def completed(line: str) -> list[str]:
    """What the last word of a line may become; `<file>`, `<dir>` if the shell is to look."""
    *words, incomplete = line.split(" ")
    shell = get_completion_class("bash")
    assert shell
    found = shell(cli, {}, "clip-prep", "_CLIP_PREP_COMPLETE").get_completions(words, incomplete)
    return [each.value if each.type == "plain" else f"<{each.type}>" for each in found]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, tmp_path: Path) -> None:
    """The script for each shell is valid there, as far as it is installed."""
    script = clip_prep(env={"_CLIP_PREP_COMPLETE": f"{shell}_source"}).stdout
    assert f"_CLIP_PREP_COMPLETE={shell}_complete" in script
    if not (program := shutil.which(shell)):
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(script)
    subprocess.run([program, "-n", tmp_path / "script"], timeout=SECONDS, check=True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", COMMANDS),
        ("co", ["convert", "compact"]),
        ("--v", ["--version"]),
        ("convert -m ", [*MODELS, "all"]),
        ("convert --model vit-l", ["ViT-L/14", "ViT-L/14@336px"]),
        ("convert --model=Rn50X", ["RN50x4", "RN50x16", "RN50x64"]),
        ("convert -m ViT-L/14@", ["ViT-L/14@336px"]),
        ("convert -m RN50 -m A", ["all"]),
        ("preview set -m a", []),
        ("convert --dtype ", ["float32", "float16", "bfloat16", "uint8"]),
        ("convert --dtype f", ["float32", "float16"]),
        ("convert --format ", ["npy", "pt"]),
        ("convert --exif a", ["apply"]),
        ("convert --retry-fa", ["--retry-failed"]),
        ("convert in --max-", ["--max-pixels", "--max-failures"]),
        ("convert --files-from li", ["<file>"]),
        ("convert -o te", ["<file>"]),
        ("verify te", ["<dir>"]),
        ("models --", ["--json", "--help"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    """Commands, options, model names in any case, choices; no hidden option."""
    assert sorted(completed(line)) == sorted(words)


def test_inputs() -> None:
    """An input is a file or a directory, which the shell knows best."""
    assert completed("convert -m RN50 phot") == ["<file>"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option(name: str) -> None:
    """All visible long options of a command come up."""
    shown = {option for param in cli.commands[name].params for option in param.opts
             if option.startswith("--") and not getattr(param, "hidden", False)}  # fmt: skip
    assert {*completed(f"{name} --")} == {*shown, "--help"}


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_bash(tmp_path: Path) -> None:
    """The script, in bash itself: a word is completed by a process that imports little."""
    program = tmp_path / "clip-prep"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m clip_prep_cli "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(_CLIP_PREP_COMPLETE=bash_source clip-prep)"
        COMP_WORDS=(clip-prep convert -m rn50X) COMP_CWORD=3
        _clip_prep_completion clip-prep
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [str(BASH), "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert (done.stdout.split(), done.stderr) == (["RN50x4", "RN50x16", "RN50x64"], "")
