"""Who may import whom, read from the source; and what starting the command line costs."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import clip_prep_cli

PACKAGE = "clip_prep_cli"
ROOT = Path(clip_prep_cli.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PRINTING = {"print", "echo", "secho", "stdout", "stderr", "__stdout__", "__stderr__"}


def module_of(path: Path) -> str:
    """The dotted name of the module in a file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module_of(path): ast.parse(path.read_text()) for path in FILES}


def imported(tree: ast.Module) -> set[str]:
    """Everything that is imported anywhere: in functions and for type checkers too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.add(inner if inner in MODULES else f"{node.module}")
    return names


GRAPH = {name: imported(tree) & set(MODULES) for name, tree in MODULES.items()}

FLOORS = (
    ("errors",),
    ("common",),
    ("samples",),
    ("pixels",),
    ("storage",),
    ("sources", "sets"),
    ("workers", "dataset"),
    ("run", "inspection"),
    ("cli", "api"),
    ("__init__", "__main__"),
)
"""The folders, and the modules beside them, from the ground up: imports only point down."""

INSTEAD = {
    "pixels": "the pixels know arrays and images alone: let the caller pass what they need",
    "sources": "what sources and sets share belongs in samples/ or storage/",
    "sets": "what sources and sets share belongs in samples/ or storage/",
    "run": "what run and inspection share belongs in sets/, sources/ or workers/",
    "inspection": "what run and inspection share belongs in sets/, sources/ or workers/",
    "cli": "what the command and Python share belongs in run/ or inspection/",
    "api": "what the command and Python share belongs in run/ or inspection/",
}
ELSE_INSTEAD = "move what both need to the lower one, or let the upper one pass it as an argument"


def room_of(name: str) -> str:
    """The folder of a module, or the module itself where it is in none."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def may_import(room: str) -> set[str]:
    """The rooms below one, and itself."""
    if room == "pixels":
        return {"errors", "pixels"}
    below = next(n for n, floor in enumerate(FLOORS) if room in floor)
    return {room}.union(*FLOORS[:below])


def test_the_graph_is_read_from_the_source() -> None:
    """The tests below see the imports that are known to be there."""
    assert f"{PACKAGE}.cli.main" in GRAPH[f"{PACKAGE}.__main__"]  # in a function
    assert f"{PACKAGE}.run.convert" in GRAPH[f"{PACKAGE}.cli.convert"]
    assert f"{PACKAGE}.pixels.resize" in GRAPH[f"{PACKAGE}.pixels.pipeline"]


def test_imports_make_no_circle() -> None:
    """Imports point downwards only."""
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down(name: str) -> None:
    """A folder imports itself and what is on the floors below it."""
    room = room_of(name)
    wrong = [target for target in GRAPH[name] if room_of(target) not in may_import(room)]
    why = INSTEAD.get(room, ELSE_INSTEAD)
    assert not wrong, f"{name} may not import {', '.join(wrong)}: {why}"


@pytest.mark.parametrize("room", sorted(path.name for path in ROOT.iterdir() if path.is_dir()))
def test_a_folder_says_what_it_is_for(room: str) -> None:
    """In its first lines; and it is on one of the floors."""
    if room != "__pycache__":
        assert any(room in floor for floor in FLOORS), room
        assert "Imports" in (ast.get_docstring(MODULES[f"{PACKAGE}.{room}"]) or ""), room


def test_nobody_imports_the_command_line() -> None:
    """Except the script that starts it."""
    importers = {name for name, targets in GRAPH.items() if f"{PACKAGE}.cli.main" in targets}
    assert importers == {f"{PACKAGE}.__main__"}


@pytest.mark.parametrize("name", sorted(name for name in MODULES if room_of(name) != "cli"))
def test_only_the_command_line_prints(name: str) -> None:
    """No print(), click.echo(), sys.stdout or sys.stderr anywhere else."""
    found = [
        f"line {node.lineno}: {word}"
        for node in ast.walk(MODULES[name])
        for word in (getattr(node, "id", None), getattr(node, "attr", None))
        if isinstance(node, ast.Name | ast.Attribute) and word in PRINTING
    ]
    assert found == []


def test_the_command_line_prints() -> None:
    """The test above would see it."""
    tree = MODULES[f"{PACKAGE}.cli.output"]
    words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert words & PRINTING


def test_the_command_line_starts_light() -> None:
    """`--help` and completion wait for none of the heavy imports."""
    code = f"import sys, {PACKAGE}.cli.main; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "PIL", "torch", "tqdm", "multiprocessing", "jinja2"}
    heavy |= {"dask", "distributed", "concurrent.futures.process"}
    assert heavy & set(run.stdout.split()) == set()


def test_the_script_starts_lighter() -> None:
    """Ctrl-C has its meaning before anything is imported that takes time."""
    code = f"import sys, {PACKAGE}.__main__; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "click" not in run.stdout.split()
