"""Runs on a real Dask cluster: nothing lost, and the bytes of a local run."""

from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from tests.support.clusters import Cluster, cluster
from tests.support.command import (
    Env,
    album,
    clip_prep,
    convert,
    customized,
    failed,
    paint,
    started,
    tree_digest,
    wait_until,
)
from tests.support.disks import succeeds

OPTIONS = ("--shard-size", "4")


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler of the test's own."""
    with cluster(tmp_path / "dask") as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two workers for tests that do it no harm."""
    with cluster(tmp_path_factory.mktemp("dask")) as started:
        started.gate.touch()
        started.worker("--no-nanny")
        started.joined()
        yield started


def gated(directory: Path, count: int) -> Path:
    """Make a directory of images that wait for the gate."""
    directory.mkdir()
    for number in range(count):
        paint(directory / f"gate-{number:02}.png", number)
    return directory


def at_work(out: Path) -> int:
    """Shards that are being written."""
    return len(list(out.glob("*px/*.partial")))


def test_a_worker_dies_and_another_joins_late(dask: Cluster, tmp_path: Path) -> None:
    """Its shards are made by others, the late one among them; the bytes are those of a local run.

    Workers are with nannies, which make them daemons; nobody is there when the run begins.
    """
    source, out = gated(tmp_path / "in", 22), tmp_path / "out"
    (source / "gate-07.png").write_bytes(b"\x89PNG")
    convert(source, tmp_path / "local", *OPTIONS, status=3)
    with started(tmp_path / "log", source, out, *OPTIONS, *dask.options) as run:
        wait_until(lambda: run.has_said("No workers are available; waiting for one."))
        first, second = dask.worker(), dask.worker()
        wait_until(lambda: dask.has_opened(first) and dask.has_opened(second))
        assert at_work(out) == 2
        dask.process(first).kill()
        late = dask.worker("--no-nanny")
        wait_until(lambda: dask.has_opened(late))
        dask.gate.touch()
        run.ends_with(3)
    assert tree_digest(out) == tree_digest(tmp_path / "local")


def test_what_a_terminal_sees(shared: Cluster, tmp_path: Path) -> None:
    """The result is told as ever, and nothing else."""
    source = album(tmp_path / "in", 10)
    done = convert(source, tmp_path / "out", *OPTIONS, *shared.options)
    assert done.stdout.startswith("Converted 10 images to 224px uint8 .npy in ")
    assert done.stderr == ""
    again = convert(source, tmp_path / "out", *OPTIONS, *shared.options)
    assert again.stdout.startswith("Nothing new")


def test_killers(shared: Cluster, tmp_path: Path) -> None:
    """An image that kills or hangs what converts it costs itself, on a cluster as here."""
    source = album(tmp_path / "in", 9)
    paint(source / "killer.png")
    paint(source / "hang.png")
    options = (*OPTIONS, "--timeout", "0.5", "--format", "pt")
    convert(source, tmp_path / "out", *options, *shared.options, "--workers", "2", status=3)
    assert failed(tmp_path / "out") == {"killer.png": "worker_died", "hang.png": "timeout"}
    convert(source, tmp_path / "local", *options, "--exclude", "killer*", "--exclude", "hang*")
    for name in ("shard-000001.pt", "shard-000002.pt"):
        assert (tmp_path / "out/224px" / name).exists()
    made, there = (tree_digest(tmp_path / name) for name in ("out", "local"))
    assert made["224px/shard-000000.pt"] == there["224px/shard-000000.pt"]


def test_a_local_cluster(tmp_path: Path) -> None:
    """Without an address a cluster is made here, and is gone with the run."""
    source = album(tmp_path / "in", 9)
    convert(source, tmp_path / "local", *OPTIONS)
    with started(tmp_path / "log", source, tmp_path / "out", *OPTIONS, "--executor=dask") as run:
        run.ends_with(0)
        assert run.has_said("Converted 9 images")
        wait_until(lambda: not run.members())
    assert tree_digest(tmp_path / "out") == tree_digest(tmp_path / "local")


def test_sigterm(dask: Cluster, tmp_path: Path) -> None:
    """What runs is finished, what waits is called back; the same command makes the rest."""
    source, out = gated(tmp_path / "in", 22), tmp_path / "out"
    convert(source, tmp_path / "local", *OPTIONS)
    worker = dask.joined()
    with started(tmp_path / "log", source, out, *OPTIONS, *dask.options) as run:
        wait_until(lambda: dask.has_opened(worker))
        run.signal_group(SIGTERM)
        wait_until(lambda: run.has_said("Finishing the images in flight"))
        dask.gate.touch()
        run.ends_with(128 + SIGTERM)
    assert len(list((out / "index").iterdir())) < 4
    assert not at_work(out)
    convert(source, out, *OPTIONS, *dask.options)
    assert tree_digest(out) == tree_digest(tmp_path / "local")


def test_sigterm_when_nobody_is_left(dask: Cluster, tmp_path: Path) -> None:
    """It does not wait for shards that nobody makes."""
    source, out = gated(tmp_path / "in", 10), tmp_path / "out"
    worker = dask.joined()
    with started(tmp_path / "log", source, out, *OPTIONS, *dask.options) as run:
        wait_until(lambda: dask.has_opened(worker))
        dask.process(worker).kill()
        run.signal_group(SIGTERM)
        run.ends_with(128 + SIGTERM)
    assert not at_work(out)


def test_the_command_is_killed(dask: Cluster, tmp_path: Path) -> None:
    """Workers drop what they are at, and are free for the next run."""
    source, out = gated(tmp_path / "in", 10), tmp_path / "out"
    worker = dask.joined()
    with started(tmp_path / "log", source, out, *OPTIONS, *dask.options) as run:
        wait_until(lambda: dask.has_opened(worker))
        run.signal_group(SIGKILL)
        run.ends_with(-SIGKILL)
    wait_until(lambda: not at_work(out))
    dask.gate.touch()
    convert(source, out, *OPTIONS, *dask.options)
    convert(source, tmp_path / "local", *OPTIONS)
    assert tree_digest(out) == tree_digest(tmp_path / "local")


def test_an_address_that_is_none_ends_at_once(tmp_path: Path) -> None:
    """What Dask cannot parse is told as such, without what its client has to say at its end."""
    source = gated(tmp_path / "in", 1)
    options = ("--executor", "dask", "--scheduler", "nowhere")
    done = convert(source, tmp_path / "out", *OPTIONS, *options, status=1)
    assert done.stderr.startswith("Cannot reach the Dask scheduler at nowhere (missing port")
    assert done.stderr.count("\n") == 2


def test_the_scheduler_dies(dask: Cluster, tmp_path: Path) -> None:
    """The run ends with words, and whoever goes on does so from what was committed."""
    source, out = gated(tmp_path / "in", 10), tmp_path / "out"
    worker = dask.joined()
    env = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    with started(tmp_path / "log", source, out, *OPTIONS, *dask.options, env=env) as run:
        wait_until(lambda: dask.has_opened(worker))
        dask.scheduler.kill()
        run.ends_with(1)
        assert run.has_said(f"Lost the Dask scheduler at {dask.address}.")
    done = convert(source, out, *OPTIONS, *dask.options, status=1, env=env)
    assert done.stderr.startswith(f"Cannot reach the Dask scheduler at {dask.address}")
    assert done.stderr.count("\n") == 2
    convert(source, out, *OPTIONS)
    convert(source, tmp_path / "local", *OPTIONS)
    assert tree_digest(out) == tree_digest(tmp_path / "local")


def other_decoder(home: Path) -> Env:
    """The environment of a worker with another simplejpeg."""
    return customized(home / "other", "import simplejpeg\nsimplejpeg.__version__ = '1.2.3'\n")


def test_other_versions(dask: Cluster, tmp_path: Path) -> None:
    """Workers with other versions are refused before anything is written, with a table."""
    source, out = album(tmp_path / "in", 3), tmp_path / "out"
    dask.joined()
    dask.joined(env=other_decoder(tmp_path))
    done = convert(source, out, *OPTIONS, *dask.options, status=1)
    first, head, row, remedy = done.stderr.splitlines()
    assert first.startswith("Workers have different versions from this process")
    assert head.split() == ["worker", "here", "there"]
    assert row.split()[0].startswith("tcp://127.0.0.1:")
    assert row.split()[1::2] == ["simplejpeg", "1.2.3"]
    assert remedy.startswith("Install the same versions everywhere")
    assert not out.exists()


def test_other_versions_join_late(dask: Cluster, tmp_path: Path) -> None:
    """One that comes later is refused as well; what was made until then is kept."""
    source, out = gated(tmp_path / "in", 22), tmp_path / "out"
    worker = dask.joined()
    with started(tmp_path / "log", source, out, *OPTIONS, *dask.options) as run:
        wait_until(lambda: dask.has_opened(worker))
        late = dask.joined(env=other_decoder(tmp_path))
        dask.gate.touch()
        run.ends_with(1)
        assert run.has_said("Workers have different versions from this process")
        assert run.has_said("1.2.3")
    dask.process(late).kill()
    convert(source, out, *OPTIONS, *dask.options)
    convert(source, tmp_path / "local", *OPTIONS)
    assert tree_digest(out) == tree_digest(tmp_path / "local")


def test_workers_without_clip_prep(dask: Cluster, tmp_path: Path) -> None:
    """They are told by words."""
    code = "import sys\nsys.modules['clip_prep_cli'] = None\n"
    dask.joined(env=customized(tmp_path / "without", code))
    done = convert(album(tmp_path / "in", 3), tmp_path / "out", *dask.options, status=1)
    assert "cannot run clip-prep (ModuleNotFoundError" in done.stderr
    assert "Install the same clip-prep-cli" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("unseen", ["out", "in"])
def test_file_systems_that_are_not_shared(unseen: str, dask: Cluster, tmp_path: Path) -> None:
    """A worker for which another file system lies at the place of ours is found out."""
    (tmp_path / "shared").mkdir()
    for name in ("out", "in"):
        (tmp_path / "shared" / name).mkdir()
    source, out = album(tmp_path / "shared/in/images", 3), tmp_path / "shared/out/set"
    mount = f'mount -t tmpfs none {tmp_path}/shared/{unseen} && exec "$@"'
    wrapper = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    if not succeeds(*wrapper, "true"):
        pytest.skip("this user may not have mounts of its own")
    dask.joined(wrapper=wrapper)
    done = convert(source, out, *dask.options, status=1)
    if unseen == "out":
        assert f"does not see this run's output {out}" in done.stderr
        assert not out.exists()
    else:
        assert f"cannot read {source}/0000.png, but this process can." in done.stderr
        assert not at_work(out)


def test_dask_is_not_installed(tmp_path: Path) -> None:
    """Words say how to install it."""
    env = customized(tmp_path / "hook", "import sys\nsys.modules['distributed'] = None\n")
    source = album(tmp_path / "in", 1)
    done = convert(source, tmp_path / "out", "--executor", "dask", status=1, env=env)
    assert "pip install 'clip-prep-cli[dask]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_scheduler_for_nothing(tmp_path: Path) -> None:
    """An address without --executor dask is a mistake."""
    source = album(tmp_path / "in", 1)
    done = convert(source, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:8786", status=2)
    assert "Add --executor dask" in done.stderr
    assert "--scheduler" in clip_prep("convert", "--help").stdout
