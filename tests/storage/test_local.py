"""Directories of this machine, beyond what every storage does."""

import os
from pathlib import Path

from clip_prep_cli.storage.interface import Entry
from clip_prep_cli.storage.local import LocalStorage


def test_folders(tmp_path: Path) -> None:
    """Empty folders go, others stay; new ones are made."""
    place = LocalStorage(tmp_path)
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "file").touch()
    place.renew_folders(["empty", "full", "none"], ["full", "new/er"])
    assert sorted(os.listdir(tmp_path)) == ["full", "new"]
    assert (tmp_path / "new" / "er").is_dir()
    assert (tmp_path / "full" / "file").exists()


def test_links(tmp_path: Path) -> None:
    """A link has the size of what it leads to, if it leads anywhere, and is no folder."""
    (tmp_path / "file").write_bytes(b"content")
    for name, target in (("a", "file"), ("b", "none"), ("c", ".")):
        (tmp_path / name).symlink_to(target)
    found = {each.name: each for each in LocalStorage(tmp_path).entries()}
    assert found["a"] == Entry("a", 7, is_folder=False)
    assert found["b"] == Entry("b", len("none"), is_folder=False)
    assert not found["c"].is_folder


def test_what_is_adopted_is_moved(tmp_path: Path) -> None:
    """A file is not copied; one that has its name already stays as it is."""
    (tmp_path / "made").write_bytes(b"content")
    (tmp_path / "there").write_bytes(b"too")
    number = (tmp_path / "made").stat().st_ino
    place = LocalStorage(tmp_path)
    place.adopt({"file": tmp_path / "made", "there": tmp_path / "there"})
    assert (tmp_path / "file").stat().st_ino == number
    assert sorted(os.listdir(tmp_path)) == ["file", "there"]


def test_the_real_path(tmp_path: Path) -> None:
    """An absolute name has no link in it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    assert LocalStorage(tmp_path / "link").absolute() == LocalStorage((tmp_path / "a").resolve())
