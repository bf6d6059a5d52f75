"""Kinds of archives: what registers itself is read everywhere, and is what users are told of."""

import io
from pathlib import Path

import pytest

from clip_prep_cli import convert
from clip_prep_cli.inspection.preview import Request, preview
from clip_prep_cli.inspection.verify import verify
from clip_prep_cli.sources.archives import kinds
from clip_prep_cli.sources.archives.kinds import is_archive, kind_of, misnamed, register
from clip_prep_cli.storage.location import storage_at
from tests.support.cat_archives import CAT, pack_cat
from tests.support.command import clip_prep, paths, rows
from tests.support.packing import KINDS, packed, png, row

MEMBERS = {f"{number}.png": png(number) for number in range(6)}


@pytest.fixture
def cat(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more kind of archive, for one test."""
    monkeypatch.setattr(kinds, "_BY_SUFFIX", dict(kinds._BY_SUFFIX))
    register(CAT)


@pytest.mark.usefixtures("cat")
def test_a_new_kind_is_one_file(tmp_path: Path) -> None:
    """It is converted, found unchanged, verified, drawn, pruned, and recognized by its content."""
    archive, out = pack_cat(tmp_path / "in/x.cat", MEMBERS), tmp_path / "out"
    made = convert(tmp_path / "in", "ViT-B/32", out, dtype="uint8", workers=1)
    assert (made.tally.converted, made.failures) == (6, ())
    assert paths(out) == [f"x.cat/{name}" for name in MEMBERS]
    assert rows(out) == [row(content) for content in MEMBERS.values()]
    again = convert(archive.parent, "ViT-B/32", out, dtype="uint8", workers=1)
    assert (again.tally.planned, again.tally.unchanged) == (0, 6)
    checked = verify(storage_at(out), 6, 1, lambda *_: None)
    assert checked.sources
    assert (checked.sources.equal, checked.faults) == (6, ())
    drawn = preview(Request(storage_at(out), tmp_path / "sheet.png", 6, 0, crop=True))
    assert [shown.note for shown in drawn.shown] == [""] * 6  # none falls back to its stored row
    pack_cat(archive, {name: MEMBERS[name] for name in list(MEMBERS)[:-1]})
    pruned = convert(archive.parent, "ViT-B/32", out, dtype="uint8", workers=1, prune=True)
    assert pruned.pruned == 1
    (archive.parent / "y.tar").write_bytes(archive.read_bytes())
    (failure,) = convert(archive.parent, "ViT-B/32", out, dtype="uint8", workers=1).failures
    assert "its content is cat; its name should end in .cat" in failure.detail


def test_a_kind_that_is_not_registered_is_a_file_like_others() -> None:
    """Which the test above would not notice."""
    assert not is_archive("x.cat")


def test_users_are_told_of_each_kind() -> None:
    """In the help of the command, by its suffixes."""
    said = clip_prep("convert", "--help").stdout
    assert [suffix for suffix in kinds._BY_SUFFIX if suffix not in said] == []


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("name", ["x.tar", "x.TGZ", "x.tar.zst", "x.zip"])
def test_content_that_is_not_what_the_name_says(name: str, suffix: str) -> None:
    """The kind that it is of is named, unless it is the one that the name says."""
    said = misnamed(name, io.BytesIO(packed(f".{suffix.rpartition('.')[2]}", MEMBERS)))
    kind = kind_of(f"x{suffix}")
    meant = f" (its content is {kind.content}; its name should end in {kind.suffixes[0]})"
    assert said == ("" if kind is kind_of(name) else meant)
