"""Which names a selection takes, and how the others are counted."""

import pytest

from clip_prep_cli.sources.selection import Selection, Sieve


@pytest.mark.parametrize(
    ("selection", "below", "taken", "counted"),
    [
        (Selection(), "cats/a.jpg", True, None),
        (Selection(), "cats/a.JPEG", True, None),
        (Selection(), "cats/notes.txt", False, ".txt"),
        (Selection(), "cats/README", False, "no suffix"),
        (Selection(), "cats/.a.jpg", False, "hidden"),
        (Selection(hidden=True), "cats/.a.jpg", True, None),
        (Selection(include=("cats/",)), "cats/a.jpg", True, None),
        (Selection(include=("/a.jpg",)), "cats/a.jpg", False, "not included"),
        (Selection(include=("*.png",)), "cats/a.jpg", False, "not included"),
        (Selection(exclude=("cats/*.jpg",)), "cats/a.jpg", False, "excluded"),
        (Selection(exclude=("*.jpg", "!a.jpg")), "cats/a.jpg", True, None),
        (Selection(include=("a.jpg",), exclude=("a.*",)), "cats/a.jpg", False, "excluded"),
    ],
)
def test_files(selection: Selection, below: str, taken: bool, counted: str | None) -> None:  # noqa: FBT001
    """A file is taken, or counted once under the first reason against it."""
    sieve = Sieve(selection)
    assert sieve.takes(below.rpartition("/")[2], below) is taken
    assert dict(sieve.ignored) == ({counted: 1} if counted else {})


@pytest.mark.parametrize(
    ("selection", "name", "counted"),
    [
        (Selection(), "cats", None),
        (Selection(), ".git", "hidden"),
        (Selection(exclude=("cats/",)), "cats", "excluded"),
        (Selection(include=("*.jpg",)), "cats", None),
    ],
)
def test_folders(selection: Selection, name: str, counted: str | None) -> None:
    """A folder is entered unless it is hidden or excluded: what is included may lie in it."""
    sieve = Sieve(selection)
    assert sieve.passes_over(name, f"{name}/") is (counted is not None)
    assert dict(sieve.ignored) == ({counted: 1} if counted else {})


def test_links() -> None:
    """A link is passed over unless links are followed, whatever it leads to."""
    for follow in (False, True):
        sieve = Sieve(Selection(follow_links=follow))
        assert sieve.takes("a.jpg", "a.jpg", is_link=True) is follow
        assert sieve.passes_over("cats", "cats/", is_link=True) is not follow
        assert dict(sieve.ignored) == ({} if follow else {"symlink": 2})
