"""Archives, clusters and stores at the same time: always the set of a plain local run."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clusters import Cluster, cluster
from tests.support.command import (
    SECONDS,
    album,
    check_whole,
    clip_prep,
    convert,
    environment,
    paths,
    read_lines,
    rows,
    tree_digest,
)
from tests.support.packing import images, pack, packed
from tests.support.s3 import Store

OPTIONS = ("--shard-size", "4", "-j", "1")
KINDS = (".tar", ".tar.gz", ".tar.zst", ".zip")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of images, one of them broken, beside what is made of it."""
    directory = album(tmp_path / "in", 10)
    (directory / "0005.png").write_bytes(b"\x89PNG")
    return directory


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Cluster]:
    """A cluster of two workers that reach the S3 server."""
    env = Store(s3_endpoint).env()
    with cluster(tmp_path_factory.mktemp("dask")) as started:
        started.joined(env=env)
        started.joined(env=env)
        yield started


def contents(out: Path) -> list[tuple[str, str]]:
    """Name and row of each image of a set, without what it was packed in."""
    index = [line for path in sorted(out.glob("index/*")) for line in read_lines(path)]
    return [(line["path"].rpartition("/")[2], line["rows"]["224px"]) for line in index]


def test_archives_at_urls(folder: Path, store: Store, tmp_path: Path) -> None:
    """An archive in a bucket is read once, from front to end, whether it is walked or named."""
    local, out = tmp_path / "local", tmp_path / "out"
    convert(folder, local, *OPTIONS, status=3)
    for kind in KINDS:
        store.put(f"in/all{kind}", packed(f".{kind.rpartition('.')[2]}", images(folder)))
    one = contents(local)
    convert(f"{store.url}/in", out, *OPTIONS, env=store.env(), status=3)
    assert contents(out) == one * len(KINDS)
    assert not list(out.glob("sources-*"))
    convert(f"{store.url}/in", out, *OPTIONS, env=store.env(), status=3)
    checked = clip_prep("verify", out, "--sources", "all", env=store.env())
    assert f"{len(one) * len(KINDS)} equal" in checked.stdout
    named = tmp_path / "named"
    convert(f"{store.url}/in/all.tar.zst", named, *OPTIONS, env=store.env(), status=3)
    assert contents(named) == one
    assert paths(named)[0] == "all.tar.zst/0000.png"


def test_a_prefix_that_is_called_like_an_archive(
    folder: Path, store: Store, tmp_path: Path
) -> None:
    """It is a folder like others, and what is in it is found again."""
    store.upload(folder, "in/x.tar")
    out = tmp_path / "out"
    convert(f"{store.url}/in", out, *OPTIONS, env=store.env(), status=3)
    checked = clip_prep("verify", out, "--sources", "all", env=store.env())
    assert "9 images, 9 equal" in checked.stdout
    store.delete("in/x.tar/0000.png")
    said = convert(f"{store.url}/in", out, *OPTIONS, "--prune", env=store.env(), status=3).stdout
    assert "Pruned: 1 image" in said


def test_a_cluster_reads_archives(folder: Path, dask: Cluster, tmp_path: Path) -> None:
    """Workers read members in place, and what was unpacked through the shared output."""
    for kind in KINDS:
        pack(tmp_path / f"packed/all{kind}", images(folder))
    convert(tmp_path / "packed", tmp_path / "local", *OPTIONS, status=3)
    convert(tmp_path / "packed", tmp_path / "out", *OPTIONS, *dask.options, status=3)
    assert tree_digest(tmp_path / "out") == tree_digest(tmp_path / "local")


def test_a_cluster_writes_to_a_store(
    folder: Path, dask: Cluster, store: Store, tmp_path: Path
) -> None:
    """Workers upload what they make, under other names; the run gives the names and commits."""
    convert(folder, tmp_path / "local", *OPTIONS, status=3)
    out = f"{store.url}/out"
    convert(folder, out, *OPTIONS, *dask.options, env=store.env(), status=3)
    there = store.download(tmp_path / "there", "out")
    check_whole(there)
    assert tree_digest(there) == tree_digest(tmp_path / "local")
    assert rows(there) == rows(tmp_path / "local")
    again = convert(folder, out, *OPTIONS, *dask.options, env=store.env(), status=3)
    assert "Failed before and unchanged: 1 image" in again.stdout


def test_forked_processes_write_to_a_store(folder: Path, store: Store, tmp_path: Path) -> None:
    """An executor may fork this process while it has connections to the store."""
    convert(folder, tmp_path / "local", *OPTIONS, status=3)
    script = f"""
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from clip_prep_cli import convert
with ProcessPoolExecutor(1, get_context("fork")) as executor:
    convert({str(folder)!r}, "ViT-B/32", "{store.url}/out", dtype="uint8", shard_size=4,
            executor=executor)
"""
    command = (sys.executable, "-c", script)
    subprocess.run(command, env=environment(store.env()), timeout=SECONDS, check=True)
    assert tree_digest(store.download(tmp_path / "there", "out")) == tree_digest(tmp_path / "local")


def test_a_cluster_cannot_see_what_is_unpacked_here(
    folder: Path, dask: Cluster, store: Store, tmp_path: Path
) -> None:
    """An archive that would be unpacked on this machine alone is refused in words."""
    archive = pack(tmp_path / "all.tar.gz", images(folder))
    said = convert(
        archive, f"{store.url}/out", *OPTIONS, *dask.options, env=store.env(), status=1
    ).stderr
    assert "all.tar.gz would be unpacked on this machine" in said
    convert(archive, f"{store.url}/out", *OPTIONS, env=store.env(), status=3)
