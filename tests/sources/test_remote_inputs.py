"""Converting what is in an S3 bucket, by the real command against a real server."""

import os
import signal
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.command import (
    Running,
    album,
    clip_prep,
    convert,
    failed,
    paint,
    paths,
    read_index,
    read_manifest,
    rows,
    started,
    wait_until,
)
from tests.support.packing import KINDS, packed, png
from tests.support.proxy import Proxy
from tests.support.s3 import Store

OPTIONS = ("--shard-size", "8", "-j", "1")
ODD = (
    "a b.png",
    "ü.png",
    "x#?%41.png",
    "sub.png",
    "sub dir/q.png",
    "sub dir/deep/z.png",
    "&+=.png",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Images below names of all kinds, and what is to be passed over."""
    directory = album(tmp_path / "in", 12)
    for number, name in enumerate(ODD):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        paint(directory / name, 100 + number)
    (directory / "sub").mkdir()
    paint(directory / "sub" / "1.png", 200)
    (directory / ".hidden").mkdir()
    paint(directory / ".hidden" / "1.png", 201)
    (directory / "notes.txt").write_text("no image")
    (directory / "empty.png").touch()
    return directory


@pytest.fixture
def local(tree: Path, tmp_path: Path) -> Path:
    """The set of the local tree."""
    convert(tree, tmp_path / "local", *OPTIONS, status=3)
    return tmp_path / "local"


def remote(
    store: Store, out: Path, *options: str, proxy: Proxy | None = None, status: int = 3
) -> str:
    """Convert what is below `in` of the bucket; what the run says."""
    done = clip_prep(
        *("convert", "-m", "ViT-B/32", "--dtype", "uint8", f"{store.url}/in", "-o", out),
        *(*OPTIONS, *options),
        env=store.env(proxy.url if proxy else None),
        status=status,
    )
    return done.stdout + done.stderr


def same_set(ours: Path, theirs: Path) -> None:
    """Assert that two sets are the same, but for the root and the times of the files."""
    assert rows(ours) == rows(theirs)
    for number in range(3):
        mine, other = read_index(ours, number), read_index(theirs, number)
        for line in (*mine, *other):
            del line["mtime_ns"]
        assert mine == other
    assert failed(ours) == failed(theirs)
    for name in ("224px/shard-000000.npy", "224px/shard-000002.npy"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_a_set_is_that_of_the_local_tree(
    tree: Path, local: Path, store: Store, tmp_path: Path
) -> None:
    """Byte for byte; and later runs convert what is new or changed, and prune what is gone."""
    store.upload(tree, "in")
    store.put("in/sub dir/", b"")  # as browsers of buckets make folders
    out = tmp_path / "out"
    remote(store, out)
    same_set(out, local)
    assert read_manifest(out)["roots"] == [f"{store.url}/in"]
    assert "Nothing new" in remote(store, out)
    store.put("in/0001.png", (tree / "0002.png").read_bytes() + b"longer")
    store.put("in/sub dir//new.png", (tree / "0003.png").read_bytes())
    store.put("in//new.png", (tree / "0003.png").read_bytes())
    store.delete("in/0004.png")
    store.delete("in/sub dir/deep/z.png")
    said = remote(store, out, "--prune")
    assert paths(out)[-3:] == ["/new.png", "0001.png", "sub dir//new.png"]
    assert rows(out)[-3:] == [rows(local)[paths(local).index(f"000{n}.png")] for n in (3, 2, 3)]
    assert "Pruned: 2 images" in said
    superseded = [n for shard in read_manifest(out)["shards"] for n in shard["superseded_rows"]]
    assert len(superseded) == 3
    checked = clip_prep("verify", out, "--sources", "all", env=store.env())
    assert "gone" not in checked.stdout, checked.stdout


def test_faults_in_between_cost_nothing(
    tree: Path, local: Path, store: Store, proxy: Proxy, tmp_path: Path
) -> None:
    """Errors of the server, broken connections and answers cut short are tried again."""
    store.upload(tree, "in")
    for kind in (503, 500, "reset", "cut", 429):
        proxy.inject(kind, 3, method="GET", path=r"\.png")
    proxy.inject(503, 1, path="list-type")
    proxy.inject("reset", 1, path="list-type")
    out = tmp_path / "out"
    remote(store, out, proxy=proxy)
    assert proxy.faulted == 17
    same_set(out, local)


def test_what_is_gone_when_it_is_read_is_a_failure(
    tree: Path, store: Store, proxy: Proxy, tmp_path: Path
) -> None:
    """Of that image alone; a folder that is refused is a failure too. Both can be tried again."""
    store.upload(tree, "in")
    proxy.inject(404, float("inf"), path=r"0003\.png")
    proxy.inject(403, float("inf"), path=r"prefix=in%2Fsub%20dir%2Fdeep")
    out = tmp_path / "out"
    remote(store, out, proxy=proxy)
    assert failed(out) == {
        "0003.png": "unreadable",
        "empty.png": "not_an_image",
        "sub dir/deep": "unreadable",
    }
    assert len(rows(out)) == 18
    proxy.heal()
    remote(store, out, "--retry-failed", proxy=proxy)
    assert failed(out) == {"empty.png": "not_an_image"}
    assert paths(out)[-2:] == ["0003.png", "sub dir/deep/z.png"]


def test_a_refusal_stops_the_run(tree: Path, store: Store, proxy: Proxy, tmp_path: Path) -> None:
    """With the URL and what to do; what was sealed by then stays, and the next run goes on."""
    store.upload(tree, "in")
    proxy.inject(403, float("inf"), method="GET", path=r"sub/1\.png")
    out = tmp_path / "out"
    said = remote(store, out, proxy=proxy, status=1)
    assert f"{store.url}/in/sub/1.png was refused" in said
    assert "credentials" in said
    assert not read_manifest(out)["complete"]


def test_a_store_that_goes_away_stops_the_run(
    tree: Path, store: Store, proxy: Proxy, tmp_path: Path
) -> None:
    """After --retry-for seconds, in words."""
    store.upload(tree, "in")
    proxy.inject("hang", float("inf"), method="GET", path=r"0009\.png")
    run = running(store, proxy, tmp_path, "--retry-for", "1")
    with run as process:
        wait_until(lambda: proxy.faulted > 0)
        proxy.refuse()
        process.ends_with(1)
        assert process.has_said("does not answer")
        assert process.has_said("--retry-for")
    proxy.accept()


def running(
    store: Store, proxy: Proxy, tmp_path: Path, *options: str
) -> AbstractContextManager[Running]:
    """A run over what is below `in` of the bucket."""
    source = f"{store.url}/in"
    return started(
        tmp_path / "log", source, tmp_path / "out", *OPTIONS, *options, env=store.env(proxy.url)
    )


@pytest.mark.parametrize("what", [r"\.png", "list-type"])
def test_a_store_that_hangs_does_not_hold_a_run_up(
    tree: Path, store: Store, proxy: Proxy, tmp_path: Path, what: str
) -> None:
    """Whatever it is that does not come: SIGTERM ends the run at once."""
    store.upload(tree, "in")
    proxy.inject("hang", float("inf"), method="GET", path=what)
    with running(store, proxy, tmp_path) as process:
        wait_until(lambda: proxy.faulted > 0)
        os.kill(process.process.pid, signal.SIGTERM)
        assert process.process.wait(10) == 128 + signal.SIGTERM


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_hangs_in_the_middle_of_an_archive(
    store: Store, proxy: Proxy, tmp_path: Path, kind: str
) -> None:
    """SIGTERM ends the run at once; that is no failure of the archive."""
    store.put(f"in/all{kind}", packed(kind[-4:], {"1.png": png(1), "2.png": png(2)}))
    proxy.inject("hang", float("inf"), method="GET", path="in/all")
    with running(store, proxy, tmp_path) as process:
        wait_until(lambda: proxy.faulted > 0)
        os.kill(process.process.pid, signal.SIGTERM)
        assert process.process.wait(10) == 128 + signal.SIGTERM
        assert not process.has_said("unreadable")


def test_a_store_that_hangs_while_contents_are_compared(
    tree: Path, store: Store, proxy: Proxy, tmp_path: Path
) -> None:
    """SIGTERM ends a run with --checksum at once."""
    store.upload(tree, "in")
    convert(f"{store.url}/in", tmp_path / "out", *OPTIONS, env=store.env(), status=3)
    proxy.inject("hang", float("inf"), method="GET", path=r"\.png")
    with running(store, proxy, tmp_path, "--checksum") as process:
        wait_until(lambda: proxy.faulted > 0)
        os.kill(process.process.pid, signal.SIGTERM)
        assert process.process.wait(10) == 128 + signal.SIGTERM


def test_an_endpoint_that_is_no_url(store: Store, tmp_path: Path) -> None:
    """A mistake in the environment is not blamed on the input."""
    env = store.env("127.0.0.1:9")
    said = convert(f"{store.url}/in", tmp_path / "out", env=env, status=1).stderr
    assert "Invalid endpoint: 127.0.0.1:9" in said
    assert "AWS_ENDPOINT_URL" in said


def test_a_store_that_is_silent_at_first(store: Store, proxy: Proxy, tmp_path: Path) -> None:
    """Whoever waits is told what for, and Ctrl-C is heard."""
    proxy.inject("hang", float("inf"), path=".")
    out, env = tmp_path / "out", store.env(proxy.url)
    with started(tmp_path / "log", f"{store.url}/in", out, env=env) as run:
        wait_until(lambda: run.has_said(f"Waiting for {store.url} to answer."))
        run.signal_group(signal.SIGINT)
        run.ends_with(130)


def test_a_first_listing_that_is_not_waited_for(store: Store, proxy: Proxy, tmp_path: Path) -> None:
    """Whoever ends a run before anything is listed is not told that the store has failed."""
    proxy.inject("hang", float("inf"), path="list-type")
    out, env = tmp_path / "out", store.env(proxy.url)
    with started(tmp_path / "log", f"{store.url}/in/", out, env=env) as run:
        wait_until(lambda: proxy.faulted > 0)
        run.signal_group(signal.SIGINT)
        run.ends_with(130)
        assert not run.has_said("does not answer")
