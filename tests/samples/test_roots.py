"""The numbered directories that samples are named against."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_prep_cli.samples.roots import Roots

PARTS = st.sampled_from(["a", "b", "ab", "c.d"])
DIRECTORIES = st.lists(PARTS, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(DIRECTORIES, min_size=1), DIRECTORIES)
def test_a_root_and_the_path_below_it_make_the_path(directories: list[str], below: str) -> None:
    """`locate` finds the innermost root; joined with the rest it is the path again."""
    roots = Roots()
    for directory in directories:
        roots.add(directory, directory)
    path = os.path.join(directories[0], below.lstrip("/"), "x.png")
    number, rest = roots.locate(path)
    assert roots.join(number, rest) == path
    holding = [r for r in roots.paths if path.startswith(r.rstrip("/") + "/")]
    assert roots.paths[number] == max(holding, key=len)


def test_roots_know_what_they_do_not_hold() -> None:
    """A folder whose name begins like a root's is not in it."""
    roots = Roots(["/data/cats"])
    with pytest.raises(KeyError):
        roots.locate("/data/cats2/1.png")
    roots.add("/data/cats/small", "/data/cats/small")
    roots.add("/data/cats2", "/data/cats2")
    assert roots.paths == ("/data/cats", "/data/cats2")


def test_what_is_below_stays_below() -> None:
    """A path that looks absolute is joined to its root like any other."""
    assert Roots(["/in"]).join(0, "/etc/a.png") == "/in//etc/a.png"
    assert Roots(["/"]).join(0, "a.png") == "/a.png"
