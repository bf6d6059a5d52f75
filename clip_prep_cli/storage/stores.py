"""The file systems behind URLs: all that is known here of fsspec.

`s3://`, `gs://`, `https://` and whatever else fsspec has a file system for.
"""

import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from clip_prep_cli.errors import CannotContinueError, UsageError
from clip_prep_cli.storage.retry import http_status, words
from clip_prep_cli.storage.urls import is_web, origin

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


_CONNECTIONS = 64
_SILENCE_SECONDS = 15
"""Without a byte for so long, a request has failed."""


class Place(NamedTuple):
    """A URL, taken apart: its file system, and the path there."""

    fs: "AbstractFileSystem"
    path: str


def place_of(url: str) -> Place:
    """The file system of `url`, which calls share, and the path there.

    Raises:
        UsageError: there is no such kind of URL.
        CannotContinueError: fsspec, or the package for this kind of URL, is not installed.
    """
    scheme = url.partition("://")[0]
    try:
        from fsspec import get_filesystem_class

        kind = get_filesystem_class(scheme)
        # No chains of file systems: `::` may be a part of a key.
        fs = _file_system(scheme, *sorted(kind._get_kwargs_from_urls(url).items()))  # noqa: SLF001 - as fsspec.open does
        return Place(fs, kind._strip_protocol(url))  # noqa: SLF001
    except ImportError as error:
        raise CannotContinueError(
            f"{url} needs a package that is not installed ({error}).",
            "Install it; `pip install 'clip-prep-cli[remote]'` covers s3://, gs:// and https://.",
        ) from error
    except ValueError as error:
        raise UsageError(f"{url}: {error}.", "Check the URL.") from error
    except OSError as error:  # of a kind that connects at once
        raise CannotContinueError(
            f"Cannot connect to {origin(url)}: {words(error)}.", "Check the URL, and the network."
        ) from error


@cache
def _file_system(scheme: str, *options: tuple[str, Any]) -> "AbstractFileSystem":
    import fsspec

    if scheme in ("gs", "gcs"):
        # It logs tracebacks of what it also raises.
        logging.getLogger("gcsfs").addHandler(logging.NullHandler())
    own: dict[str, Any] = {}
    if scheme in ("s3", "s3a"):
        # The user's own, from fsspec's configuration or FSSPEC_S3_..., are kept.
        config = fsspec.config.conf.get(scheme, {}).get("config_kwargs", {})
        once = {"total_max_attempts": 1}
        own["config_kwargs"] = {"max_pool_connections": _CONNECTIONS, "retries": once, **config}
    elif is_web(f"{scheme}://"):
        from aiohttp import ClientTimeout

        limits = ClientTimeout(None, sock_connect=_SILENCE_SECONDS, sock_read=_SILENCE_SECONDS)
        own["client_kwargs"] = {"timeout": limits}
    fs = fsspec.filesystem(scheme, use_listings_cache=False, **{**own, **dict(options)})
    if hasattr(fs, "retries"):
        fs.retries = 1  # `attempt` is who tries again; else tries would multiply
    return fs


# The connections of a process are of no use to those that it forks; a file system would refuse.
os.register_at_fork(after_in_child=_file_system.cache_clear)


def info_of(place: Place) -> Mapping[str, Any]:
    """What the file system knows of a path; what it raises, see `is_permanent`."""
    info: Mapping[str, Any]
    try:
        info = place.fs.info(place.path)
    except FileNotFoundError as error:
        # fsspec says so of a web server that does not answer, as well.
        reason = error.__cause__
        if is_web(place.path) and isinstance(reason, Exception) and http_status(reason) != 404:
            raise reason from None
        raise
    return info
