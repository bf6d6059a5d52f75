"""Files that are not on this machine, by URL: all that is known here of fsspec.

`s3://`, `gs://`, `https://` and whatever else fsspec has a file system for.
"""

import errno
import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

from clip_prep_cli.errors import CannotContinueError, ClipPrepError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

DEFAULT_PATIENCE = 300.0
"""Seconds for which a store that does not answer is asked again."""

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 20.0
_TICK_SECONDS = 0.1
_CONNECTIONS = 64
_SILENCE_SECONDS = 15
"""Without a byte for so long, a request has failed."""

_PERMANENT = (
    ClipPrepError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    NotImplementedError,
    ValueError,
    TypeError,
    ImportError,
)
# What s3fs makes of S3's answers of the 400s, wrong regions and missing features.
_PERMANENT_NUMBERS = {
    *(errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.EMSGSIZE, errno.ENAMETOOLONG),
    getattr(errno, "EREMCHG", errno.ENOENT),
}
_DAMAGED_ON_THE_WAY = {"BadDigest", "IncompleteBody"}
_NO_CREDENTIALS = {
    *("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoRegionError"),
    *("TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError"),
    "DefaultCredentialsError",
}
_PERMANENT_NAMES = _NO_CREDENTIALS | {"ParamValidationError", "NonRetryableError"}
_WORTH_ANOTHER_TRY = {408, 425, 429}
"""HTTP status codes of the 400s that pass."""

_SECRETS = {
    *("x-amz-signature", "x-amz-security-token", "x-goog-signature", "signature", "sig"),
    *("token", "access_token", "key", "api_key", "apikey", "password"),
}
"""Parameters of a URL that let in whoever has it."""


class Place(NamedTuple):
    """A URL, taken apart: its file system, and the path there."""

    fs: "AbstractFileSystem"
    path: str


def is_url(name: str) -> bool:
    """Whether a name is a URL and no path on this machine."""
    scheme, mark, _ = name.partition("://")
    return bool(mark) and scheme.isascii() and scheme.isalnum()


def is_web(url: str) -> bool:
    """Whether a URL is of a web server, whose paths are written in percent codes."""
    return url.startswith(("https://", "http://"))


def checked(url: str) -> str:
    """`url` as it is written everywhere: its scheme in small letters, no slash at the end.

    Raises:
        UsageError: it holds a secret, which must not get into manifests and messages.
    """
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    if not rest.strip("/"):
        raise UsageError(f"{url} names no bucket or host.", f"Name it, as {scheme}://NAME/FOLDER.")
    if ":" in host.rpartition("@")[0]:
        raise UsageError(
            f"The URL {scheme}://...@{host.rpartition('@')[2]}/... holds a password.",
            "Leave it out, and give credentials the way its store expects them (docs/remote.md).",
        )
    url = f"{scheme.lower()}://{rest}"
    query = urlsplit(url).query if is_web(url) else ""
    if found := [name for name, _ in parse_qsl(query) if name.lower() in _SECRETS]:
        raise UsageError(
            f"The URL {url.partition('?')[0]}?... holds a secret ({', '.join(found)}).",
            "A set keeps the names of its sources; name them without it.",
        )
    return url.rstrip("/")


def origin(url: str) -> str:
    """The bucket or host of a URL, as a URL."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def place_of(url: str, **options: Any) -> Place:  # noqa: ANN401 - the file system's own
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
        fs = _file_system(scheme, *sorted({**kind._get_kwargs_from_urls(url), **options}.items()))  # noqa: SLF001 - as fsspec.open does
        return Place(fs, kind._strip_protocol(url))  # noqa: SLF001
    except ImportError as error:
        raise CannotContinueError(
            f"{url} needs a package that is not installed ({error}).",
            "Install it; those for s3://, gs:// and https:// come with "
            "`pip install 'clip-prep-cli[remote]'`.",
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
        retries = {"total_max_attempts": 1}
        own["config_kwargs"] = {
            "max_pool_connections": _CONNECTIONS,
            "retries": retries,
            **config,
        }
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
    """What the file system knows of a path.

    Raises:
        Exception: what it raises; see `is_permanent`.
    """
    info: Mapping[str, Any]
    try:
        info = place.fs.info(place.path)
    except FileNotFoundError as error:
        # fsspec says so of a web server that does not answer, as well.
        reason = error.__cause__
        if is_web(place.path) and isinstance(reason, Exception) and _status(reason) != 404:
            raise reason from None
        raise
    return info


def is_permanent(error: Exception) -> bool:
    """Whether trying again would give the same error."""
    if s3_code(error) in _DAMAGED_ON_THE_WAY:
        return False
    status = _status(error)
    if status is not None:
        return 400 <= status < 500 and status not in _WORTH_ANOTHER_TRY
    return (
        isinstance(error, _PERMANENT)
        or type(error).__name__ in _PERMANENT_NAMES
        or (isinstance(error, OSError) and error.errno in _PERMANENT_NUMBERS)
        or _is_forbidden(error)
        or "CERTIFICATE_VERIFY_FAILED" in str(error)
    )


def concerns_store(error: Exception) -> bool:
    """Whether other files of the same store would meet the same error."""
    code = s3_code(error)
    if code == "InvalidObjectState":  # an object in an archive that is slow to get from
        return False
    return (
        not is_permanent(error)
        or isinstance(error, (PermissionError, ImportError))
        or code in ("NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed", "301")
        or _status(error) in (401, 403, 407)
        or type(error).__name__ in _NO_CREDENTIALS
        or _is_forbidden(error)
        or "CERTIFICATE_VERIFY_FAILED" in str(error)
    )


def s3_code(error: BaseException) -> str | None:
    """S3's own word for an error that s3fs has translated."""
    answer = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    if not isinstance(answer, Mapping):
        return None
    code = answer.get("Error", {}).get("Code")
    return None if code is None else str(code)


def _status(error: Exception) -> int | None:
    """The HTTP status of an error of aiohttp (`status`) or gcsfs (`code`)."""
    for name in ("status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int | str) and str(value).isdecimal():
            return int(value)
    return None


def _is_forbidden(error: Exception) -> bool:
    """Whether this is gcsfs's 403."""
    return type(error) is OSError and error.errno is None and str(error).startswith("Forbidden: ")


def words(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        text = error.strerror
    return text[:200] or type(error).__name__


def cannot_go_on(url: str, error: Exception, patience: float) -> CannotContinueError:
    """What stops a run: `url` could not be read or listed, for a reason that concerns the store."""
    if not is_permanent(error):
        return CannotContinueError(
            f"{origin(url)} does not answer: {words(error)} (tried for {patience:g} s, {url}).",
            "Run the same command again when it does; --retry-for sets how long it is tried.",
        )
    if s3_code(error) == "NoSuchBucket":
        return CannotContinueError(f"There is no bucket {origin(url)} ({url}).", "Check the URL.")
    if isinstance(error, FileNotFoundError):
        return CannotContinueError(f"{url} is not there ({words(error)}).", "Check the URL.")
    if not concerns_store(error):
        return CannotContinueError(
            f"{url} cannot be asked for: {words(error)}.",
            "Check the URL, and what the environment says of its store (AWS_ENDPOINT_URL, ...).",
        )
    return CannotContinueError(
        f"{url} is refused: {words(error)}.",
        "Check the credentials, what they allow, and the region; see docs/remote.md.",
    )


def attempt(
    call: Callable[[], T],
    patience: float = DEFAULT_PATIENCE,
    should_stop: Callable[[], bool] = lambda: False,
) -> T:
    """What `call` returns; after transient errors it is called again, with growing pauses.

    Raises:
        Exception: the last one, if it is permanent, or `patience` seconds are over.
    """
    from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while not should_stop() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _TICK_SECONDS))

    retrying = Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, Exception) and not is_permanent(error)
        ),
        wait=wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=lambda state: should_stop() or stop_before_delay(patience)(state),
        sleep=pause,
        reraise=True,
    )
    return retrying(call)
