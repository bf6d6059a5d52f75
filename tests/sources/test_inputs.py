"""The walk over made-up trees: what is taken, in which order, and what is passed over."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.samples.roots import Roots
from clip_prep_cli.sources.inputs import InputSamples
from clip_prep_cli.sources.scope import InputRequest
from clip_prep_cli.sources.selection import Selection


def plant(root: Path, *files: str) -> Path:
    """Make the files, with all folders above them; each holds its own name."""
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def source(*inputs: Path, **selection: object) -> InputSamples:
    """The source of these inputs."""
    chosen = Selection(**selection)  # type: ignore[arg-type]
    return InputSamples(InputRequest([str(path) for path in inputs]), chosen, Roots())


def paths(found: InputSamples) -> list[str]:
    """The paths of the samples, in their order; a failure would show."""
    items = list(found)
    assert all(isinstance(item, Sample) for item in items)
    return [item.path if isinstance(item, Sample) else "" for item in items]


def test_samples_have_the_facts_of_their_files(tmp_path: Path) -> None:
    """Root, path below it, size, and modification time to the nanosecond."""
    plant(tmp_path, "a/b.png")
    os.utime(tmp_path / "a/b.png", ns=(1, 1_700_000_000_123_456_789))
    assert list(source(tmp_path)) == [Sample(0, "a/b.png", 7, 1_700_000_000_123_456_789)]


def test_order_is_that_of_the_bytes_of_names(tmp_path: Path) -> None:
    """Files and folders together, per folder; numbers are not counted, capitals come first."""
    names = ["10.png", "9.png", "B.png", "a/z.png", "a.png", "a-b/x.png", "é.png", "z.png"]
    plant(tmp_path, *reversed(names))
    in_order = ["10.png", "9.png", "B.png", "a/z.png", "a-b/x.png", "a.png", "z.png", "é.png"]
    assert paths(source(tmp_path)) == in_order


def test_order_does_not_depend_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the system lists a folder, the samples come in the same order."""
    plant(tmp_path, "c.png", "a.png", "b/d.png")
    scandir = os.scandir

    class Reversed:
        def __init__(self, directory: str) -> None:
            with scandir(directory) as entries:
                self._entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self._entries)

        def __exit__(self, *_: object) -> None:
            """Nothing to close."""

    monkeypatch.setattr(os, "scandir", Reversed)
    assert paths(source(tmp_path)) == ["a.png", "b/d.png", "c.png"]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """A file name of arbitrary bytes is taken, and leads back to the file."""
    name = os.fsencode(tmp_path) + b"/\xff\n.png"
    try:
        Path(os.fsdecode(name)).write_bytes(b"x")
    except OSError:
        pytest.skip("the file system takes only text")
    (path,) = paths(source(tmp_path))
    assert os.fsencode(path) == b"\xff\n.png"


def test_suffixes_decide_in_a_walk(tmp_path: Path) -> None:
    """Known suffixes in any case are taken; the others are counted by suffix."""
    plant(tmp_path, "a.JPG", "b.Png", "c.txt", "d.TXT", "README", "e.png.bak", ".hidden.png")
    found = source(tmp_path)
    assert paths(found) == ["a.JPG", "b.Png"]
    assert found.ignored == {".txt": 2, "no suffix": 1, ".bak": 1, "hidden": 1}


def test_a_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    """Who names a file means it; only directories are filtered."""
    plant(tmp_path, "scan.dat", ".x")
    found = source(tmp_path / "scan.dat", tmp_path / ".x", exclude=("*",))
    assert paths(found) == ["scan.dat", ".x"]
    assert found.ignored == {}


def test_hidden_files_and_folders(tmp_path: Path) -> None:
    """Passed over, and a hidden folder is not entered, unless they are asked for."""
    plant(tmp_path, ".a.png", ".git/b.png", "c.png")
    found = source(tmp_path)
    assert paths(found) == ["c.png"]
    assert found.ignored == {"hidden": 2}
    assert paths(source(tmp_path, hidden=True)) == [".a.png", ".git/b.png", "c.png"]


def test_symbolic_links(tmp_path: Path) -> None:
    """Links to files and to folders are passed over unless they are to be followed."""
    plant(tmp_path, "in/a.png", "elsewhere/b.png")
    (tmp_path / "in/file.png").symlink_to("../elsewhere/b.png")
    (tmp_path / "in/folder").symlink_to("../elsewhere")
    found = source(tmp_path / "in")
    assert paths(found) == ["a.png"]
    assert found.ignored == {"symlink": 2}
    followed = source(tmp_path / "in", follow_links=True)
    assert paths(followed) == ["a.png", "file.png", "folder/b.png"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    """A followed link to a folder above it is not entered again."""
    plant(tmp_path, "a/b/c.png")
    (tmp_path / "a/b/up").symlink_to("..")
    (tmp_path / "a/b/self").symlink_to(".")
    assert paths(source(tmp_path, follow_links=True)) == ["a/b/c.png"]


def test_a_link_to_nowhere_is_a_failure(tmp_path: Path) -> None:
    """A followed link without a target is an image that cannot be read."""
    (tmp_path / "gone.png").symlink_to("nowhere")
    (failure,) = source(tmp_path, follow_links=True)
    assert isinstance(failure, Failure)
    assert (failure.sample.path, failure.reason) == ("gone.png", "unreadable")


def test_special_files_are_passed_over(tmp_path: Path) -> None:
    """A FIFO that is called like an image would block its reader."""
    os.mkfifo(tmp_path / "pipe.png")
    found = source(tmp_path)
    assert paths(found) == []
    assert found.ignored == {"special file": 1}


def test_patterns_are_gitignores(tmp_path: Path) -> None:
    """Anchored, of folders, and negated, against the path below the input."""
    plant(tmp_path, "a.png", "b.jpg", "d/a.png", "d/b.jpg", "tmp/c.png")
    anchored = source(tmp_path, exclude=("/a.png", "tmp/"))
    assert paths(anchored) == ["b.jpg", "d/a.png", "d/b.jpg"]
    assert anchored.ignored == {"excluded": 2}
    included = source(tmp_path, include=("*.png", "!tmp/*"))
    assert paths(included) == ["a.png", "d/a.png"]
    assert included.ignored == {"not included": 3}
    both = source(tmp_path, include=("*.png",), exclude=("d",))
    assert paths(both) == ["a.png", "tmp/c.png"]


def test_overlapping_inputs_give_each_sample_once(tmp_path: Path) -> None:
    """However often and in whichever order a folder, one in it, and a file in it are named."""
    plant(tmp_path, "a.png", "d/b.png", "d/e/c.png")
    found = source(tmp_path / "d/e/c.png", tmp_path / "d", tmp_path, tmp_path / "d", tmp_path)
    full = [(item.root, item.path) for item in found if isinstance(item, Sample)]
    assert full == [(0, "c.png"), (1, "b.png"), (2, "a.png")]


def test_inputs_are_walked_in_the_order_of_their_names_on_the_command_line(tmp_path: Path) -> None:
    """The user's order of inputs is kept; relative names are the same as absolute ones."""
    plant(tmp_path, "a/1.png", "b/2.png")
    assert paths(source(tmp_path / "b", tmp_path / "a")) == ["2.png", "1.png"]
    assert paths(source(tmp_path / "a/../b", tmp_path / "b")) == ["2.png"]


def test_iteration_is_lazy(tmp_path: Path) -> None:
    """The first sample is there before later folders are listed."""
    plant(tmp_path, "a/1.png", "b/2.png")
    walk = iter(source(tmp_path))
    first = next(walk)
    plant(tmp_path, "b/3.png")
    assert [item.path for item in (first, *walk) if isinstance(item, Sample)] == [
        *("a/1.png", "b/2.png", "b/3.png"),
    ]


def test_a_deep_tree_takes_no_deep_stack(tmp_path: Path) -> None:
    """Depth costs no Python frames; paths may be as deep as the system allows."""
    deep = "/".join("d" * 400) + "/a.png"
    plant(tmp_path, deep)
    assert paths(source(tmp_path)) == [deep]


def test_a_folder_that_cannot_be_listed_is_a_failure_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the tree is walked all the same."""
    plant(tmp_path, "a.png", "locked/b.png", "z.png")
    scandir = os.scandir

    def refusing(directory: str) -> object:
        if directory.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(directory)

    monkeypatch.setattr(os, "scandir", refusing)
    found = list(source(tmp_path))
    assert found[1] == Failure(
        Sample(0, "locked", 0, 0), "unreadable", "cannot be listed: Permission denied", None
    )
    assert [item.path for item in found if isinstance(item, Sample)] == ["a.png", "z.png"]


def test_a_named_file_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    """It may go between the check of the command line and the walk."""
    (failure,) = source(tmp_path / "gone.png")
    assert isinstance(failure, Failure)
    assert (failure.sample.path, failure.reason) == ("gone.png", "unreadable")
