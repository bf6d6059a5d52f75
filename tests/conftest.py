"""What the tests of several files need."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.proxy import Proxy
    from tests.support.s3 import Store


@pytest.fixture(scope="session")
def sample_images() -> Path:
    """The repository's own sample images."""
    return Path(__file__).parent.parent / "sample_images"


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
def proxy(s3_endpoint: str) -> Iterator["Proxy"]:
    """Something between the product and the S3 server that does harm on demand."""
    from tests.support.proxy import Proxy

    proxy = Proxy(s3_endpoint)
    yield proxy
    proxy.close()
