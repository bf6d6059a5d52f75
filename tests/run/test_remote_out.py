"""Runs that write to a real S3 server: the same bytes as here, whatever happens on the way."""

import json
import os
import random
import re
from pathlib import Path
from signal import SIGKILL
from typing import NamedTuple

import pytest

from tests.support.command import (
    Env,
    album,
    clip_prep,
    convert,
    customized,
    hooked,
    paint,
    started,
    tree_digest,
    wait_until,
)
from tests.support.proxy import Proxy
from tests.support.s3 import Store

OPTIONS = ("--shard-size", "4", "-j", "2", "-m", "RN50x4")
LOCK = "t/.clip-prep.lock"
SHARDS = {f"shard-{number:06}" for number in range(3)}


class Given(NamedTuple):
    """A directory of images, one of which is broken, and the set of it in a directory."""

    source: Path
    whole: dict[str, str]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Fourteen images; one of those in the middle can hold a run up."""
    top = tmp_path_factory.mktemp("given")
    source = album(top / "in", 12)
    (source / "0005.jpg").touch()
    paint(source / "gate.png")
    convert(source, top / "out", *OPTIONS, status=3)
    return Given(source, tree_digest(top / "out"))


class Target:
    """Where a run writes to in a bucket, and where it stages."""

    def __init__(self, store: Store, proxy: Proxy, tmp_path: Path) -> None:
        self.store, self.proxy = store, proxy
        self.url = f"{store.url}/t"
        self.staging = tmp_path / "staging"
        self.staging.mkdir()
        self.env: Env = {**store.env(proxy.url), "TMPDIR": str(self.staging)}
        self._tmp_path = tmp_path
        self._copies = 0

    def convert(self, source: Path, *options: str, status: int = 3, env: Env | None = None) -> str:
        """Run the command; what it says."""
        env = {**self.env, **(env or {})}
        done = convert(source, self.url, *OPTIONS, *options, status=status, env=env)
        return done.stdout + done.stderr

    def digest(self) -> dict[str, str]:
        """Of what is there by now."""
        self._copies += 1
        return tree_digest(self.store.download(self._tmp_path / f"{self._copies}", "t"))

    def writes(self) -> list[str]:
        """What has been written through the proxy, without locks."""
        found = (re.search("/t/([^?]*)", path) for m, path in self.proxy.requests if m == "PUT")
        return [match[1] for match in found if match and not match[1].startswith(".")]

    @property
    def clean(self) -> bool:
        """Whether nothing is staged, and no lock held."""
        return not list(self.staging.glob("*clip-prep*")) and not self.store.has(LOCK)


@pytest.fixture
def target(store: Store, proxy: Proxy, tmp_path: Path) -> Target:
    """An empty bucket behind a proxy."""
    return Target(store, proxy, tmp_path)


def test_the_same_bytes(given: Given, target: Target) -> None:
    """A set at a URL is that of a local run; it is written in order, found again, and sound."""
    said = target.convert(given.source, "--json", "--staging", str(target.staging))
    result = json.loads(said.splitlines()[0])
    assert (result["out"], result["converted"]) == (target.url, 13)
    assert target.digest() == given.whole
    assert target.clean

    writes = target.writes()
    assert writes[0] == writes[-1] == "manifest.json"
    assert writes.count("manifest.json") >= 3  # in between as often as it costs little
    order = [name for name in writes if name != "manifest.json"]
    for number in range(4):
        index = order.index(f"index/shard-{number:06}.jsonl")
        tensors = [f"{n_px}px/shard-{number:06}.npy" for n_px in (224, 288)]
        before = [tensors[0], tensors[1], *(["failures.jsonl"] if number == 1 else [])]
        begin = min(order.index(name) for name in tensors)
        assert sorted(order[begin:index]) == before
        assert order[index - 1] == "failures.jsonl" if number == 1 else True

    target.proxy.requests.clear()
    assert "up to date" in target.convert(given.source)
    assert set(target.writes()) == {"manifest.json", "failures.jsonl"}

    name = "t/288px/shard-000002.npy"
    spoilt = bytearray(target.store.get(name))
    spoilt[-1] ^= 1
    target.store.put(name, bytes(spoilt))
    told = clip_prep("verify", target.url, status=4, env=target.env).stdout
    assert "288px/shard-000002.npy" in told
    assert "row 3" in told


def test_kills(given: Given, target: Target) -> None:
    """Killed at any request, the same command ends in the same bytes, and leaves nothing."""
    target.proxy.delay = 0.01
    seed = int.from_bytes(os.urandom(2))
    moments = random.Random(seed).sample(range(4, 40), 2)  # noqa: S311
    for moment in moments:
        target.proxy.requests.clear()
        log = target.staging.with_name("log")
        with started(log, given.source, target.url, *OPTIONS, env=target.env) as run:
            wait_until(lambda at=moment: len(target.proxy.requests) >= at)  # type: ignore[misc]
            run.signal_group(SIGKILL)
            run.ends_with(-SIGKILL)
    target.convert(given.source)
    assert target.digest() == given.whole, f"seed {seed}"
    assert target.clean, f"seed {seed}"


def test_uploads_do_not_hold_up_the_conversion(given: Given, target: Target) -> None:
    """While a shard is on its way others are made."""
    target.proxy.inject("hang", method="PUT", path="224px/shard-000000")
    log = target.staging.with_name("log")
    with started(log, given.source, target.url, *OPTIONS, env=target.env) as run:

        def staged() -> set[str]:
            return {path.stem for path in target.staging.glob("*/224px/*.npy*")}

        wait_until(lambda: {name.partition(".")[0] for name in staged()} >= SHARDS)
        assert not target.store.keys("t/index")
        run.signal_group(SIGKILL)


def test_a_store_that_stumbles(given: Given, target: Target) -> None:
    """Errors that pass cost time and nothing else."""
    proxy = target.proxy
    proxy.inject(503, method="PUT", path="manifest")
    proxy.inject("reset", 2, method="PUT", path="px/")
    proxy.inject(500, method="PUT", path="index/")
    proxy.inject("cut", method="GET", path="lock")
    target.convert(given.source)
    assert proxy.faulted == 5
    assert target.digest() == given.whole
    assert target.clean


def test_a_store_that_refuses(given: Given, target: Target) -> None:
    """What is not allowed ends the run at once, with words; what was committed stays."""
    target.proxy.inject(403, 99, method="PUT", path="224px/shard-000002")
    said = target.convert(given.source, status=1)
    assert f"Access to {target.url}/224px/shard-000002.npy was refused: injected" in said
    assert "Check the credentials" in said
    assert target.clean
    assert target.store.has("t/index/shard-000001.jsonl")
    assert not target.store.has("t/index/shard-000002.jsonl")


@pytest.mark.parametrize("wrong", ["bucket", "credentials", "machine", "scheme", "https"])
def test_no_store(given: Given, store: Store, wrong: str) -> None:
    """Without a store there is no run, and the reason is told."""
    url, env, status = f"{store.url}/t", store.env(), 1
    if wrong == "bucket":
        url, words = "s3://no-such-bucket/t", "No such bucket: s3://no-such-bucket"
    elif wrong == "credentials":
        env = {**env, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        words = f"Access to {url}/.clip-prep.lock was refused: Unable to locate credentials"
    elif wrong == "machine":
        env = {**env, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        words = f"{store.url} does not answer"
    elif wrong == "scheme":
        url, status, words = "nonsense://bucket/t", 2, "nonsense"
    else:
        url, status, words = "https://example.com/t", 2, "Cannot write to"
    done = convert(given.source, url, "--retry-for", "0.5", status=status, env=env)
    assert words in done.stderr
    assert not done.stdout


def test_two_runs(given: Given, target: Target, tmp_path: Path) -> None:
    """A second run is refused; one that has lost its lock commits nothing more."""
    held = hooked(tmp_path / "hook")
    log, env = tmp_path / "log", {**target.env, **held}
    with started(log, given.source, target.url, *OPTIONS, env=env) as run:
        wait_until(lambda: target.store.has("t/index/shard-000002.jsonl"))
        said = target.convert(given.source, status=75)
        assert f"Another run is writing to {target.url}: process {run.process.pid} on" in said
        told = json.loads(clip_prep("info", target.url, "--json", env=target.env).stdout)
        assert (told["directory"], told["images"], told["running"]) == (target.url, 0, True)
        before = target.store.keys()
        target.store.put(LOCK, b"somebody else's")
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(75)
    assert run.has_said("has taken")
    assert set(target.store.keys()) - set(before) <= {
        "t/224px/shard-000003.npy",
        "t/288px/shard-000003.npy",
    }
    assert target.store.get(LOCK) == b"somebody else's"
    target.store.delete(LOCK)
    target.convert(given.source)
    assert target.digest() == given.whole


def test_staging_is_for_urls(given: Given, tmp_path: Path) -> None:
    """For a directory there is nothing to stage."""
    done = convert(given.source, tmp_path / "out", "--staging", tmp_path, status=2)
    assert "--staging needs an output at a URL" in done.stderr


def test_a_store_that_goes_away(given: Given, target: Target, tmp_path: Path) -> None:
    """It is waited for as long as was said; when it is back, the same command continues."""
    log, env = tmp_path / "log", {**target.env, **hooked(tmp_path / "hook")}
    options = (*OPTIONS, "--retry-for", "0.5")
    with started(log, given.source, target.url, *options, env=env) as run:
        wait_until(lambda: target.store.has("t/index/shard-000002.jsonl"))
        target.proxy.refuse()
        (tmp_path / "hook" / "gate").touch()
        run.ends_with(1)
    assert run.has_said(f"{target.store.url} does not answer")
    assert not list(target.staging.glob("*clip-prep*"))
    target.proxy.accept()
    target.convert(given.source)
    assert target.digest() == given.whole
    assert target.clean


def test_a_full_staging_disk(given: Given, tmp_path: Path) -> None:
    """Shards that cannot be built end the run with the place where that is."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    env = customized(tmp_path / "limit", limit)
    options = ("--shard-size", "4", "--staging", tmp_path)
    done = convert(given.source, "memory://t", *options, status=1, env=env)
    assert "A shard of" in done.stderr
    assert f"{tmp_path}/clip-prep-staging-" in done.stderr
    assert not list(tmp_path.glob("*clip-prep*"))
