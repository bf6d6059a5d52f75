"""What the tests of several files need, and which marks they get by what they use."""

import logging
import os
import resource
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from PIL import Image, ImageFile

if TYPE_CHECKING:
    from tests.support.proxy import Proxy
    from tests.support.s3 import Store

HERE = Path(__file__).parent

BY_FIXTURE = {"s3_endpoint": "remote", "dask": "cluster"}
"""The mark of every test that uses such a fixture, directly or through others."""

hypothesis.settings.register_profile("tests", deadline=None)  # others may use this machine
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they use; skip those that write .pt files where there is no torch."""
    no_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch")
    for item in items:
        assert isinstance(item, pytest.Function)
        for mark in {mark for name, mark in BY_FIXTURE.items() if name in item.fixturenames}:
            item.add_marker(mark)
        if item.path.parent.name == "cluster":
            item.add_marker("cluster")
        if item.get_closest_marker("torch") or _writes_pt(item):
            item.add_marker(no_torch)


def _writes_pt(item: pytest.Function) -> bool:
    """Whether one of its parameters is the format `pt`."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return any("pt" in (value if isinstance(value, tuple) else (value,)) for value in values)


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Fail the test that leaves this process other than it found it: the next would depend on it.

    Pillow's own limit is put back, which what shows images sets for its process.
    """
    limit, before = Image.MAX_IMAGE_PIXELS, _process_state()
    yield
    Image.MAX_IMAGE_PIXELS = limit
    assert _process_state() == before


def _process_state() -> dict[str, Any]:
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("PYTEST_")}
    limits = (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_AS)
    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
    return {
        "environment": environment,
        "directory": os.getcwd(),
        "limits": [resource.getrlimit(limit) for limit in limits],
        "signals": [signal.getsignal(number) for number in handled],
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "logging": (logging.getLogger().level, logging.root.manager.disable),
        "path": [*sys.path],
        "main": sys.modules["__main__"],
        "tolerance": ImageFile.LOAD_TRUNCATED_IMAGES,
    }


@pytest.fixture(scope="session")
def sample_images() -> Path:
    """The repository's own sample images."""
    return HERE.parent / "sample_images"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """A directory of real images, from CLIP_PREP_CORPUS."""
    directory = os.environ.get("CLIP_PREP_CORPUS")
    if not directory:
        pytest.skip("CLIP_PREP_CORPUS names no directory of images")
    return Path(directory)


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an S3 server that lasts as long as the tests."""
    from tests.support.s3 import s3_server

    with s3_server(tmp_path_factory.mktemp("s3") / "log") as url:
        yield url


@pytest.fixture
def store(s3_endpoint: str) -> "Store":
    """An empty bucket."""
    from tests.support.s3 import Store

    return Store(s3_endpoint)


@pytest.fixture
def store_here(store: "Store", monkeypatch: pytest.MonkeyPatch) -> Iterator["Store"]:
    """The same, for what reaches it from this process: connections are those of the environment."""
    from fsspec import get_filesystem_class

    from clip_prep_cli.storage import stores

    def forget() -> None:
        stores._file_system.cache_clear()
        get_filesystem_class("s3").clear_instance_cache()

    for name, value in store.env().items():
        monkeypatch.setenv(name, value)
    forget()
    yield store
    forget()


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator["Proxy"]:
    """Something between the product and the S3 server that does harm on demand."""
    from tests.support.proxy import Proxy

    proxy = Proxy(s3_endpoint)
    yield proxy
    proxy.close()
