"""Lists of names: what is read of them and when, and what a source makes of the names."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.samples.roots import Roots
from clip_prep_cli.sources.inputs import InputSamples
from clip_prep_cli.sources.namelist import NameList
from clip_prep_cli.sources.scope import InputRequest
from clip_prep_cli.sources.selection import Selection

CHUNK = 1 << 16
"""What is read at once."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: d/a.png, d/e/b.png, d/notes.txt, c.png."""
    (tmp_path / "d/e").mkdir(parents=True)
    for name in ("d/a.png", "d/e/b.png", "d/notes.txt", "c.png"):
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(*names: str | Path, roots: Roots | None = None, **selection: object) -> InputSamples:
    """The source of a list alone."""
    chosen = Selection(**selection)  # type: ignore[arg-type]
    return InputSamples(InputRequest((), map(str, names)), chosen, roots or Roots())


def paths(source: InputSamples) -> list[str]:
    """The paths of what it finds, in their order."""
    return [item.sample.path if isinstance(item, Failure) else item.path for item in list(source)]


@pytest.mark.parametrize(
    ("content", "null", "names"),
    [
        (b"", False, []),
        (b"\n\n\n", False, []),
        (b"a\nb\n", False, ["a", "b"]),
        (b"a\n\n\nb", False, ["a", "b"]),
        (b" a b\t\n", False, [" a b\t"]),
        (b"a\\\n'b'\n#c\n", False, ["a\\", "'b'", "#c"]),
        (b"\xff\xfe.png\n", False, ["\udcff\udcfe.png"]),
        ("é\u2028x\u0085y\x0cz\n".encode(), False, ["é\u2028x\u0085y\x0cz"]),
        (b"a\0b\0", True, ["a", "b"]),
        (b"a\nb\0\0\n\0c", True, ["a\nb", "\n", "c"]),
        (b"a" * (CHUNK - 1) + b"\nb", False, ["a" * (CHUNK - 1), "b"]),
        (b"a" * CHUNK + b"\nb\n", False, ["a" * CHUNK, "b"]),
        (b"a\n" * CHUNK, False, ["a"] * CHUNK),
    ],
)
def test_names(content: bytes, null: bool, names: list[str], tmp_path: Path) -> None:  # noqa: FBT001
    """Whatever lies between two ends is a name as it is, unless it is empty."""
    (tmp_path / "list").write_bytes(content)
    assert list(NameList(str(tmp_path / "list"), null).names(never)) == names


def test_a_name_is_there_once_its_end_is(tmp_path: Path) -> None:
    """However a pipe cuts them, names come whole, and none waits for the next."""
    os.mkfifo(tmp_path / "list")
    pipe = os.open(tmp_path / "list", os.O_RDWR)
    names = NameList(str(tmp_path / "list")).names(never)
    for said in (b"one\ntw", b"o\n", b"\xc3", b"\xa9\nx\ny\nz"):
        os.write(pipe, said)
        for _ in range(said.count(b"\n")):
            assert next(names) in {"one", "two", "é", "x", "y"}
    os.close(pipe)
    assert list(names) == ["z"]


def test_who_asks_to_stop_does_not_wait_for_a_name(tmp_path: Path) -> None:
    """A silent pipe is left at once, and closed."""
    os.mkfifo(tmp_path / "list")
    pipe = os.open(tmp_path / "list", os.O_RDWR)
    os.write(pipe, b"a\n")
    answers = iter([False, False, True])
    descriptors = os.listdir("/dev/fd")
    assert list(NameList(str(tmp_path / "list")).names(lambda: next(answers))) == ["a"]
    assert os.listdir("/dev/fd") == descriptors
    os.close(pipe)


def test_half_a_name_is_none(tmp_path: Path) -> None:
    """What was cut off by a stop is not taken for a name."""
    (tmp_path / "list").write_bytes(b"x" * (CHUNK + 1))
    answers = iter([False, True, True])
    assert list(NameList(str(tmp_path / "list")).names(lambda: next(answers))) == []


def test_relative_names_are_below_the_current_directory(place: Path) -> None:
    """It is the root; `.`, `..` and a slash at the end change nothing."""
    roots = Roots()
    assert paths(listed("d/../c.png", "./d/e/b.png", "d/", roots=roots)) == [
        *("c.png", "d/e/b.png", "d/a.png"),
    ]
    assert roots.paths == (str(place),)


def test_names_elsewhere_are_below_the_root_of_all(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not below the folder of each; absolute names of files that are here are below here."""
    monkeypatch.chdir(place / "d")
    roots = Roots()
    outside = str(place / "c.png").removeprefix("/")
    assert paths(listed("../c.png", place / "d/a.png", roots=roots)) == [
        *(outside, str(place / "d/a.png").removeprefix("/")),
    ]
    roots = Roots()
    assert paths(listed(place / "d/a.png", "../c.png", roots=roots)) == ["a.png", outside]
    assert roots.paths == (str(place / "d"), "/")


def test_a_root_that_there_is_stays_the_root(place: Path) -> None:
    """What an earlier run has named against another directory keeps its name."""
    roots = Roots([str(place / "d")])
    assert list(listed("d/e/b.png", "d", "c.png", roots=roots)) == [
        Sample(0, "e/b.png", 9, os.stat("d/e/b.png").st_mtime_ns),
        Sample(0, "a.png", 7, os.stat("d/a.png").st_mtime_ns),
        Sample(1, "c.png", 5, os.stat("c.png").st_mtime_ns),
    ]
    assert roots.paths == (str(place / "d"), str(place))


def test_two_slashes_are_one(place: Path) -> None:
    """As in `$DIR/photo.png` where DIR is `/`."""
    assert paths(listed(f"/{place}/d/a.png")) == ["d/a.png"]


def test_a_zero_byte_in_a_line(place: Path) -> None:
    """Names that were meant for --null are refused with what to do."""
    (place / "list").write_bytes(b"c.png\0d/a.png\0")
    with pytest.raises(CannotContinueError, match="Add -0"):
        list(NameList(str(place / "list")).names(lambda: False))
    (place / "list").write_bytes(b"c.png\n" * 99_999)
    with pytest.raises(CannotContinueError, match="an overlong name"):
        list(NameList(str(place / "list"), null=True).names(lambda: False))


@pytest.mark.usefixtures("place")
def test_what_is_listed_is_treated_as_an_input() -> None:
    """Files are taken as they are called, directories walked and filtered."""
    found = listed("d/notes.txt", "d", ".", exclude=("e",))
    assert paths(found) == ["d/notes.txt", "d/a.png", "c.png"]
    assert found.ignored == {"excluded": 1, ".txt": 1}


@pytest.mark.parametrize(
    "names",
    [
        ("d/a.png", "d/e/b.png", "c.png", "c.png", "./c.png"),
        ("d/a.png", "d", "c.png", "d/a.png"),
        ("d", "d/e", "d", "d/e/b.png", "."),
        ("d/a.png", "d/e", ".", "d"),
    ],
)
def test_each_file_comes_once(names: tuple[str, ...], place: Path) -> None:
    """However often, and with whatever it lies in, it is listed or an input."""
    assert paths(listed(*names)) == ["d/a.png", "d/e/b.png", "c.png"]
    both = InputSamples(
        InputRequest(["c.png", str(place / "d")], iter(names)), Selection(), Roots([str(place)])
    )
    assert paths(both) == ["c.png", "d/a.png", "d/e/b.png"]


@pytest.mark.usefixtures("place")
def test_what_is_not_there_is_a_failure_in_its_place() -> None:
    """So is a name too long for any file, and the rest comes all the same; each once."""
    found = list(listed("no.png", "d/a.png", "x" * 5000, "c.png/y", "no.png", "c.png"))
    assert [(f.sample.path, f.reason) for f in found if isinstance(f, Failure)] == [
        *(("no.png", "unreadable"), ("x" * 5000, "unreadable"), ("c.png/y", "unreadable")),
    ]
    assert [s.path for s in found if isinstance(s, Sample)] == ["d/a.png", "c.png"]


@pytest.mark.usefixtures("place")
def test_the_order_is_that_of_the_list() -> None:
    """Not sorted; a directory has its files in its place."""
    assert paths(listed("d/e/b.png", "c.png", "d")) == ["d/e/b.png", "c.png", "d/a.png"]


def test_the_output_is_not_walked(place: Path) -> None:
    """A directory in a list may hold it, where an input may not."""
    (place / "out").mkdir()
    (place / "out/x.png").touch()
    found = InputSamples(InputRequest((), iter(["."]), str(place / "out")), Selection(), Roots())
    assert paths(found) == ["c.png", "d/a.png", "d/e/b.png"]
    assert found.ignored == {"output": 1, ".txt": 1}


def test_the_output_is_not_walked_by_its_name(place: Path) -> None:
    """Not even if a list names it."""
    (place / "out").mkdir()
    (place / "out/x.png").touch()
    found = InputSamples(
        InputRequest((), iter(["out", "c.png"]), str(place / "out")), Selection(), Roots()
    )
    assert paths(found) == ["c.png"]


@pytest.mark.usefixtures("place")
def test_names_are_taken_as_they_come() -> None:
    """The first sample is there before the second name is."""

    def names() -> Iterator[str]:
        yield "c.png"
        raise AssertionError("not yet")

    walk = iter(InputSamples(InputRequest((), names()), Selection(), Roots()))
    assert isinstance(next(walk), Sample)


@pytest.mark.slow
@pytest.mark.usefixtures("place")
def test_a_long_list_takes_no_memory_for_its_names() -> None:
    """About 100 bytes for each, however long it is; and none for one that comes again."""
    count, long = 15_000, "x" * 240
    names = (f"{long}{number % count}" for number in range(count + count // 10))
    tracemalloc.start()
    try:
        found = sum(1 for _ in InputSamples(InputRequest((), names), Selection(), Roots()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == count
    assert peak < 160 * count
