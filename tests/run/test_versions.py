"""What makes the pixels is written down shard by shard; another version is warned of."""

from pathlib import Path

import pytest

from clip_prep_cli.common.versions import Change, decisive_changes
from tests.support.command import album, clip_prep, convert, paint, read_manifest
from tests.support.sets import change_manifest, manifest_of

OPTIONS = ("--shard-size", "2")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of three images."""
    return album(tmp_path / "in", 3)


@pytest.fixture
def out(source: Path, tmp_path: Path) -> Path:
    """The set of that directory: two shards."""
    convert(source, tmp_path / "out", *OPTIONS)
    return tmp_path / "out"


def pretend(out: Path, **versions: str) -> None:
    """Rewrite history: the set was made with other versions."""
    manifest = manifest_of(out)
    renamed = {name.replace("_", "-"): version for name, version in versions.items()}
    generator = {**manifest.generator, **renamed}
    history = [era._replace(generator=generator) for era in manifest.history]
    change_manifest(out, generator=generator, history=history)


def history(out: Path) -> list[tuple[str, str, str]]:
    """From which shard on the set was made by what, with which Pillow."""
    eras = read_manifest(out)["history"]
    return [(era["from_shard"], era["action"], era["generator"]["pillow"]) for era in eras]


@pytest.mark.parametrize("name", ["pillow", "libjpeg_turbo", "simplejpeg"])
def test_other_versions(name: str, source: Path, out: Path) -> None:
    """A set that goes on with another version says both, quiet or not, and from where on."""
    pretend(out, **{name: "0.9"})
    paint(source / "new.png", 9)
    done = convert(source, out, *OPTIONS, "-q")
    now = read_manifest(out)["generator"][name.replace("_", "-")]
    assert done.stderr.startswith(
        f"Warning: the set is continued with {name.replace('_', '-')} {now} (was 0.9)."
    )
    assert not done.stdout
    eras = read_manifest(out)["history"]
    assert [era["from_shard"] for era in eras] == ["shard-000000", "shard-000002"]
    assert eras[1]["generator"] == read_manifest(out)["generator"]
    paint(source / "newer.png", 10)
    assert convert(source, out, *OPTIONS, "-q").stderr == ""
    assert len(read_manifest(out)["history"]) == 2


def test_the_same_versions(source: Path, out: Path) -> None:
    """With the same versions there is no warning, and one entry for all shards."""
    paint(source / "new.png", 9)
    assert convert(source, out, *OPTIONS, "-q").stderr == ""
    assert [era[:2] for era in history(out)] == [("shard-000000", "convert")]


def test_versions_that_change_no_pixel(source: Path, out: Path) -> None:
    """Another Python or NumPy is written down, but nothing to warn of."""
    pretend(out, python="3.0", numpy="0.9")
    paint(source / "new.png", 9)
    assert convert(source, out, *OPTIONS, "-q").stderr == ""
    assert [era[0] for era in history(out)] == ["shard-000000", "shard-000002"]


def test_nothing_new(source: Path, out: Path) -> None:
    """A run that makes no row has nothing to warn of, and changes no history."""
    pretend(out, pillow="0.9")
    assert convert(source, out, *OPTIONS, "-q").stderr == ""
    assert history(out) == [("shard-000000", "convert", "0.9")]


def test_compacting_in_between(source: Path, out: Path) -> None:
    """What made the rows of a compacted set is not forgotten: the next run still warns."""
    pretend(out, pillow="0.9")
    paint(source / "0000.png", 9)
    (source / "0001.png").unlink()
    convert(source, out, *OPTIONS, "--prune")
    now = read_manifest(out)["generator"]["pillow"]
    pretend(out, pillow="0.9")
    clip_prep("compact", out)
    paint(source / "0000.png", 10)
    assert "(was 0.9)" in convert(source, out, *OPTIONS).stderr
    assert [era[1:] for era in history(out)][-2:] == [("compact", "0.9"), ("convert", now)]
    assert history(out)[-1][0] == f"shard-{len(read_manifest(out)['shards']) + 2:06}"


def test_a_number_that_comes_again(source: Path, out: Path) -> None:
    """A shard that has the number of one that was removed is of what made it, not of the other."""
    old, now = manifest_of(out).generator, manifest_of(out).generator["pillow"]
    first = manifest_of(out).history[0]
    # As if shards 2 and 3, by two versions of Pillow, had been empty, and were removed.
    eras = [
        first._replace(generator={**old, "pillow": "0.7"}),
        first._replace(from_shard=2, generator={**old, "pillow": "0.8"}),
        first._replace(from_shard=3, generator=old),
    ]
    change_manifest(out, history=eras)
    paint(source / "new.png", 9)
    convert(source, out, *OPTIONS)
    assert history(out) == [
        ("shard-000000", "convert", "0.7"),
        ("shard-000002", "convert", now),
    ]


def test_decisive_changes() -> None:
    """Only what both sides know and what decides over pixels is compared."""
    before = {"pillow": "1", "libjpeg-turbo": "3", "python": "3.11"}
    now = {"pillow": "2", "libjpeg-turbo": "3", "python": "3.12", "simplejpeg": "1"}
    assert decisive_changes(before, now) == [Change("pillow", "1", "2")]
    assert decisive_changes({}, now) == []
    assert decisive_changes(now, {}) == []
    assert decisive_changes(now, {**now, "simplejpeg": "1 (not used)"}) == [
        Change("simplejpeg", "1", "1 (not used)")
    ]
