"""Which errors of stores pass, and trying again."""

import errno
import os
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from clip_prep_cli.errors import CannotContinueError, ClipPrepError, ImageError
from clip_prep_cli.storage.urls import origin

T = TypeVar("T")

DEFAULT_PATIENCE = 300.0
"""Seconds for which a store that does not answer is asked again."""

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 20.0
_TICK_SECONDS = 0.1
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


def is_permanent(error: Exception) -> bool:
    """Whether trying again would give the same error."""
    if s3_code(error) in _DAMAGED_ON_THE_WAY:
        return False
    status = http_status(error)
    if status is not None:
        return 400 <= status < 500 and status not in _WORTH_ANOTHER_TRY
    return (
        isinstance(error, _PERMANENT)
        or type(error).__name__ in _PERMANENT_NAMES
        or (isinstance(error, OSError) and error.errno in _PERMANENT_NUMBERS)
        or _is_refused(error)
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
        or http_status(error) in (401, 403, 407)
        or type(error).__name__ in _NO_CREDENTIALS
        or _is_refused(error)
    )


def s3_code(error: BaseException) -> str | None:
    """S3's own word for an error that s3fs has translated."""
    answer = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    if not isinstance(answer, Mapping):
        return None
    code = answer.get("Error", {}).get("Code")
    return None if code is None else str(code)


def http_status(error: Exception) -> int | None:
    """The HTTP status of an error of aiohttp (`status`) or gcsfs (`code`)."""
    for name in ("status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int | str) and str(value).isdecimal():
            return int(value)
    return None


def _is_refused(error: Exception) -> bool:
    """Whether this is gcsfs's 403, or about a certificate."""
    text, is_bare = str(error), type(error) is OSError and error.errno is None
    return "CERTIFICATE_VERIFY_FAILED" in text or (is_bare and text.startswith("Forbidden: "))


def words(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        text = error.strerror
    return text[:200] or type(error).__name__


def not_there(url: str) -> FileNotFoundError:
    """The error of a file that a store does not have, by its URL."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)


def unreadable(error: Exception) -> ImageError:
    """The failure of an image whose file cannot be read."""
    return ImageError("unreadable", f"cannot be read: {words(error)}")


def cannot_go_on(url: str, error: Exception, patience: float) -> CannotContinueError:
    """What stops a run: `url` could not be read or listed, for a reason that concerns the store."""
    if not is_permanent(error):
        return CannotContinueError(
            f"{origin(url)} does not answer: {words(error)} (retried for {patience:g} s, {url}).",
            "Run the same command again when it does; --retry-for sets how long to retry.",
        )
    if s3_code(error) == "NoSuchBucket":
        return CannotContinueError(f"No such bucket: {origin(url)} ({url}).", "Check the URL.")
    if isinstance(error, FileNotFoundError):
        return CannotContinueError(f"{url} does not exist ({words(error)}).", "Check the URL.")
    if not concerns_store(error):
        return CannotContinueError(
            f"Cannot access {url}: {words(error)}.",
            "Check the URL, and the environment variables of its store (AWS_ENDPOINT_URL, ...).",
        )
    return CannotContinueError(
        f"Access to {url} was refused: {words(error)}.",
        "Check the credentials, their permissions and the region; see docs/remote.md.",
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
