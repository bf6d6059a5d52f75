"""Walks of directories at URLs: the order and the choice of a local walk of the same tree."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("fsspec")

from fsspec import filesystem

from clip_prep_cli.errors import CannotContinueError, UsageError
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.samples.roots import Roots
from clip_prep_cli.sources.files import Waiting
from clip_prep_cli.sources.inputs import InputSamples
from clip_prep_cli.sources.remote_inputs import RemoteInputs
from clip_prep_cli.sources.scope import InputRequest, Scope
from clip_prep_cli.sources.selection import Selection, Sieve
from clip_prep_cli.storage.listing import Stat, look, packed_listing
from clip_prep_cli.storage.retry import concerns_store, is_permanent
from tests.support.command import clip_prep, paint, rows
from tests.support.proxy import Proxy
from tests.support.web import web_server

NAMES = st.sampled_from(["a", "b", "a.png", "a-b.png", "B.png", ".h", "é.png", "a b.jpg", "c.txt"])


@pytest.fixture
def top() -> Iterator[str]:
    """A directory in the memory of this process."""
    url = f"memory://{uuid4().hex}"
    yield url
    memory = filesystem("memory")
    if memory.exists(url):
        memory.rm(url, recursive=True)


def put(url: str, data: bytes = b"x") -> None:
    """Store a file."""
    filesystem("memory").pipe_file(url, data)


def source_of(*names: str, roots: Roots | None = None, **options: Any) -> InputSamples:
    """What these inputs hold."""
    selection = Selection(**{k: options.pop(k) for k in ("include", "exclude") if k in options})
    return InputSamples(
        InputRequest(names, **options), selection, Roots() if roots is None else roots
    )


def found(*names: str, **options: Any) -> list[str]:
    """The paths of the samples, in order."""
    return [each.path for each in source_of(*names, **options) if isinstance(each, Sample)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=4), max_size=12))
def test_the_order_is_that_of_a_local_walk(tmp_path_factory: Any, places: list[list[str]]) -> None:
    """Whatever the names are."""
    here = tmp_path_factory.mktemp("tree")
    there = f"memory://{uuid4().hex}"
    put(f"{there}/first.png")
    (here / "first.png").write_bytes(b"x")
    for parts in places:
        path = here.joinpath(*parts)
        if not path.exists() and not any(up.is_file() for up in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            put("/".join([there, *parts]))
    local, remote = source_of(str(here)), source_of(there)
    assert [each.path for each in local if isinstance(each, Sample)] == [
        each.path for each in remote if isinstance(each, Sample)
    ]
    assert local.ignored == remote.ignored


def test_patterns_and_inputs_within_inputs(top: str) -> None:
    """Count as they do here."""
    for name in ("a/1.png", "a/2.png", "b/1.png", "c/1.png"):
        put(f"{top}/{name}")
    assert found(top, exclude=("a/2*",)) == ["a/1.png", "b/1.png", "c/1.png"]
    assert found(top, include=("b/*",)) == ["b/1.png"]
    roots = Roots()
    inputs = (top, f"{top}/b/", f"{top}/a/2.png", f"{top}/b")
    assert found(*inputs, roots=roots) == ["a/1.png", "c/1.png", "b/1.png", "a/2.png"]
    assert roots.paths == (top,)
    assert roots.join(0, "/x.png") == f"{top}//x.png"
    assert roots.locate(f"{top}//x.png") == (0, "/x.png")
    assert found(top, avoid=f"{top}/a") == ["b/1.png", "c/1.png"]


def test_sizes_and_times_come_from_the_listing(top: str) -> None:
    """In whole seconds, the same as for a file that is named."""
    put(f"{top}/1.png", b"12345")
    (walked,) = source_of(top)
    (named,) = source_of(f"{top}/1.png")
    assert isinstance(walked, Sample)
    assert walked == named
    assert walked.size == 5
    assert walked.mtime_ns % 10**9 == 0 < walked.mtime_ns


def test_what_is_not_there_is_said(top: str) -> None:
    """Of an input; a name in a list is a failure, and the others are taken."""
    put(f"{top}/1.png")
    with pytest.raises(UsageError, match="does not exist"):
        source_of(f"{top}/none.png")
    names = [f"{top}/none.png", f"{top}/1.png", "/nowhere.png", top]
    source = source_of(listed=names)
    none, one, nowhere = source
    assert isinstance(none, Failure)
    assert none.reason == "unreadable"
    assert isinstance(one, Sample)
    assert one.path == "1.png"
    assert isinstance(nowhere, Failure)


def test_a_list_may_be_longer_than_what_is_asked_ahead(top: str) -> None:
    """In its order, each once."""
    for number in range(600):
        put(f"{top}/{number}.png")
    names = [f"{top}/{number}.png" for number in (*range(599, -1, -1), 5)]
    assert found(listed=names) == [name.removeprefix(f"{top}/") for name in names[:-1]]


def test_a_folder_that_cannot_be_listed_is_a_failure(
    top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The input itself stops the run, and so does a store that does not answer."""
    put(f"{top}/a/1.png")
    put(f"{top}/b/1.png")
    memory: Any = filesystem("memory", use_listings_cache=False)
    listing = memory.ls
    error: list[Exception] = [PermissionError("no")]

    def ls(path: str, detail: bool = True) -> Any:  # noqa: FBT001, FBT002 - as fsspec calls it
        if path.endswith("/a"):
            raise error[0]
        return listing(path, detail)

    monkeypatch.setattr(type(memory), "ls", staticmethod(ls))
    failure, sample = source_of(top)
    assert isinstance(failure, Failure)
    assert (failure.sample.path, failure.reason) == ("a", "unreadable")
    assert isinstance(sample, Sample)
    with pytest.raises(CannotContinueError, match="refused"):
        list(source_of(f"{top}/a/"))
    error[0] = TimeoutError("nothing came")
    with pytest.raises(CannotContinueError, match="does not answer"):
        list(source_of(top, waiting=Waiting(0)))


def test_only_what_was_listed_can_be_gone(top: str) -> None:
    """Not what lies where nobody looked."""
    for name in ("a/1.png", "b/1.png", ".c/1.png"):
        put(f"{top}/{name}")
    source = source_of(top, to_prune=True)
    list(source)
    assert source.is_gone(f"{top}/a/2.png")
    assert source.is_gone(f"{top}/none/deep/2.png")
    assert not source.is_gone(f"{top}/a/1.png")
    assert not source.is_gone(f"{top}/.c/2.png")
    assert not source.is_gone("memory://elsewhere/2.png")
    assert source.covers(f"{top}/none/2.png")


def test_a_stop_ends_a_walk(top: str) -> None:
    """In the middle of a directory, and before anything was asked."""
    for number in range(9):
        put(f"{top}/{number}.png")
    stop = False
    source = source_of(top, waiting=Waiting(should_stop=lambda: stop))
    walk = iter(source)
    next(walk)
    stop = True
    assert len(list(walk)) <= 1


def test_a_web_server_is_walked(tmp_path: Path) -> None:
    """By its pages of links; names count as people read them, paths stay as they are in URLs."""
    tree = tmp_path / "in"
    for number, name in enumerate(["a b.png", "b.png", "ü #?%41&.png", "sub dir/c.png", "A.png"]):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        paint(tree / name, number)
    (tree / "x.txt").write_text("no image")
    local, remote = tmp_path / "local", tmp_path / "remote"
    command = ("convert", "-m", "ViT-B/32", "--dtype", "uint8", "-j", "1", "-o")
    clip_prep(*command, local, tree)
    with web_server(tmp_path) as url:
        clip_prep(*command, remote, f"{url}/in")
        assert rows(remote) == rows(local)
        assert "Nothing new" in clip_prep(*command, remote, f"{url}/in/").stdout
        assert found(f"{url}/in/", exclude=("a b*",)) == [
            *("A.png", "b.png", "sub%20dir/c.png", "%C3%BC%20%23%3F%2541%26.png"),
        ]
        stat = (tree / "b.png").stat()
        seconds = int(stat.st_mtime) * 10**9
        assert look(f"{url}/in/b.png") == Stat(stat.st_size, seconds)
        assert look(f"{url}/in") is None
        source = source_of(f"{url}/in", to_prune=True)
        list(source)
        os.remove(tree / "b.png")
        assert source.is_gone(f"{url}/in/none.png")
        assert not source.is_gone(f"{url}/in/b.png")


def test_a_web_server_that_fails_is_no_missing_file(tmp_path: Path) -> None:
    """What it answers, or that it does not, is told apart."""
    paint(tmp_path / "1.png")
    with web_server(tmp_path) as url:
        proxy = Proxy(url)
        name = f"{proxy.url}/1.png"
        source = source_of(f"{proxy.url}/", to_prune=True)
        assert [each.path for each in source if isinstance(each, Sample)] == ["1.png"]
        for status, permanent, of_store in (
            (503, False, True),
            (403, True, True),
            (404, True, False),
        ):
            proxy.inject(status, 2)
            with pytest.raises(Exception) as caught:  # noqa: PT011 - of several classes
                look(name)
            assert (is_permanent(caught.value), concerns_store(caught.value)) == (
                permanent,
                of_store,
            )
        proxy.inject(403, 2)
        assert not source.is_gone(f"{proxy.url}/2.png")
        assert source.is_gone(f"{proxy.url}/2.png")
        proxy.close()
        with pytest.raises(Exception) as caught:  # noqa: PT011
            look(name)
        assert not is_permanent(caught.value)


def test_links_that_lead_elsewhere_are_not_followed(tmp_path: Path) -> None:
    """Above, to other servers, deeper, or to the same page in another order."""
    links = ("../up.png", "/top.png", "http://other/x.png", "deep/er.png", "?C=N", "#x", "./in.png")
    page = "".join(f'<a href="{link}">x</a>' for link in (*links, "a&amp;b.png", "sub/", "..%2Fx"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "index.html").write_text(page)
    with web_server(tmp_path) as url:
        packed = packed_listing(f"{url}/in", 0, lambda: False)
    assert [each.rstrip(b"\xff\x00\x01") for each in packed] == [b"a&b.png", b"in.png", b"sub"]


def test_questions_end_with_the_run(top: str) -> None:
    """Nothing is known of an input that nobody has answered for."""
    stopped = InputRequest((), waiting=Waiting(0, lambda: True))
    assert RemoteInputs(Scope(stopped, Sieve(Selection()), Roots())).named(()) == {}
    put(f"{top}/1.png")
    inputs = RemoteInputs(Scope(InputRequest(()), Sieve(Selection()), Roots()))
    assert inputs.named([top, f"{top}/1.png"])[top].is_directory
