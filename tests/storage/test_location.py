"""Which place a name means."""

from pathlib import Path

import pytest

from clip_prep_cli.errors import UsageError
from clip_prep_cli.storage.local import LocalStorage
from clip_prep_cli.storage.location import storage_at
from clip_prep_cli.storage.urls import copy_hint


def test_here_or_there() -> None:
    """A URL is a URL, whatever slashes it ends with; of this machine is what says so."""
    assert str(storage_at("s3://bucket/a/")) == "s3://bucket/a"
    assert storage_at("s3://bucket/a/") == storage_at("S3://bucket/a")
    assert storage_at("file:///a%20b") == LocalStorage(Path("/a b"))
    assert storage_at("a/b:c") == LocalStorage(Path("a/b:c"))
    assert storage_at(Path("s3")) == LocalStorage(Path("s3"))


def test_patience() -> None:
    """A place that is known already gets the patience that is asked for."""
    place = storage_at("s3://bucket/a", 5.0)
    assert (place.patience, storage_at(place, 7.0).patience) == (5.0, 7.0)
    assert storage_at(storage_at("a"), 7.0) == storage_at("a")


@pytest.mark.parametrize("name", ["", "sftp://me:secret@host/a"])
def test_what_is_refused(name: str) -> None:
    """An empty name is a variable that is not set; a secret would get into manifests."""
    with pytest.raises(UsageError, match=r"contains a password|is empty"):
        storage_at(name)


def test_how_to_copy() -> None:
    """The store's own tool, by name if it is known."""
    assert copy_hint("s3://bucket/set") == "`aws s3 sync s3://bucket/set DIR`"
    assert copy_hint("memory://bucket/set") == "the store's own tool"
