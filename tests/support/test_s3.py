"""The S3 server of the tests, and the harm that its proxy does."""

import pytest

pytest.importorskip("botocore")

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.support.proxy import Proxy
from tests.support.s3 import Store

KEY = "a b/ü#?%.png"


def through(store: Store, proxy: Proxy) -> Store:
    """The same bucket, by the proxy."""
    other = Store(proxy.url)
    other.bucket = store.bucket
    return other


def test_objects_come_back(store: Store, proxy: Proxy) -> None:
    """Names of all kinds, as they were stored, by the proxy as well."""
    store.put(KEY, b"data")
    other = through(store, proxy)
    other.put("x//y", b"")
    assert store.keys() == [KEY, "x//y"]
    assert other.get(KEY) == b"data"


def test_the_proxy_answers_with_errors(store: Store, proxy: Proxy) -> None:
    """As often as it was told, and of what it was told."""
    store.put(KEY, b"data")
    other = through(store, proxy)
    proxy.inject(403, method="GET")
    assert other.has(KEY)
    with pytest.raises(ClientError, match="AccessDenied"):
        other.get(KEY)
    assert other.get(KEY) == b"data"


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_the_proxy_breaks_connections_off(store: Store, proxy: Proxy, kind: str) -> None:
    """The client notices."""
    store.put(KEY, b"data" * 1000)
    other = through(store, proxy)
    proxy.inject(kind, float("inf"), method="GET")
    with pytest.raises(Exception, match=r"(?i)connection|incomplete|reset"):
        other.get(KEY)


def test_the_proxy_is_away(store: Store, proxy: Proxy) -> None:
    """And comes back."""
    store.put(KEY, b"data")
    other = through(store, proxy)
    other.get(KEY)
    proxy.refuse()
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        other.get(KEY)
    proxy.accept()
    assert other.get(KEY) == b"data"
