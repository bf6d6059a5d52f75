"""Files that are not on this machine, by URL: all that is known here of fsspec.

`s3://`, `gs://`, `https://` and whatever else fsspec has a file system for.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from clip_prep_cli.errors import CannotContinueError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

DEFAULT_PATIENCE = 300.0
"""Seconds for which a store that does not answer is asked again."""

_LONGEST_PAUSE = 20.0
_PERMANENT = (
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
_PERMANENT_NAMES = {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError"}
_WORTH_ANOTHER_TRY = {408, 425, 429}
"""HTTP status codes of the 400s that pass."""


class Place(NamedTuple):
    """A URL, taken apart: its file system, and the path there."""

    fs: "AbstractFileSystem"
    path: str


def is_url(name: str) -> bool:
    """Whether a name is a URL and no path on this machine."""
    scheme, mark, _ = name.partition("://")
    return bool(mark) and scheme.isalnum()


def place_of(url: str, **options: Any) -> Place:  # noqa: ANN401 - the file system's own
    """The file system of `url`, which fsspec shares between calls, and the path there.

    Raises:
        UsageError: there is no such kind of URL.
        CannotContinueError: fsspec, or the package for this kind of URL, is not installed.
    """
    try:
        from fsspec.core import url_to_fs

        return Place(*url_to_fs(url, use_listings_cache=False, **options))
    except ImportError as error:
        raise CannotContinueError(
            f"{url} needs a package that is not installed ({error}).",
            "Install it with `pip install 'clip-prep-cli[remote]'`.",
        ) from error
    except ValueError as error:
        raise UsageError(f"{url}: {error}.", "Check the URL.") from error


def is_permanent(error: Exception) -> bool:
    """Whether trying again would give the same error."""
    status = getattr(error, "status", None)  # aiohttp's
    if isinstance(status, int):
        return 400 <= status < 500 and status not in _WORTH_ANOTHER_TRY
    return isinstance(error, _PERMANENT) or type(error).__name__ in _PERMANENT_NAMES


def attempt(
    call: Callable[[], T],
    patience: float = DEFAULT_PATIENCE,
    should_stop: Callable[[], bool] = lambda: False,
) -> T:
    """What `call` returns; after transient errors it is called again, with growing pauses.

    Raises:
        Exception: the last one, if it is permanent, or `patience` seconds are over.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, Exception) and not is_permanent(error)
        ),
        wait=wait_random_exponential(multiplier=0.2, max=_LONGEST_PAUSE),
        stop=lambda state: should_stop() or stop_after_delay(patience)(state),
        reraise=True,
    )
    return retrying(call)
