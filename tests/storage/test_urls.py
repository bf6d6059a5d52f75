"""URLs, and what the errors of their stores mean."""

import errno
import socket
from types import SimpleNamespace

import pytest

pytest.importorskip("gcsfs")
pytest.importorskip("s3fs")

from aiohttp import ClientResponseError, ServerDisconnectedError
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from gcsfs.retry import HttpError, validate_response
from s3fs.errors import ERROR_CODE_TO_EXCEPTION, translate_boto_error

from clip_prep_cli.errors import CannotContinueError, UsageError
from clip_prep_cli.storage.retry import attempt, cannot_go_on, concerns_store, is_permanent
from clip_prep_cli.storage.stores import place_of
from clip_prep_cli.storage.urls import checked, is_url


def of_s3(code: str) -> Exception:
    """What s3fs raises when S3 gives this error."""
    error: Exception = translate_boto_error(
        ClientError({"Error": {"Code": code, "Message": "so"}}, "GetObject")
    )
    return error


def of_web(status: int) -> Exception:
    """What fsspec raises when a web server answers with this status."""
    info = SimpleNamespace(real_url="https://host/x")
    return ClientResponseError(info, (), status=status)  # type: ignore[arg-type]


def of_google(status: int, content: str = "") -> Exception:
    """What gcsfs raises when Google answers with this status."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of many classes
        validate_response(status, content, "bucket/x")
    return caught.value


PASSING = [
    *map(
        of_s3, ["InternalError", "SlowDown", "ServiceUnavailable", "500", "503", "RequestTimeout"]
    ),
    *map(of_s3, ["BadDigest", "IncompleteBody", "OperationAborted", "NobodyKnows"]),
    *map(of_web, [408, 425, 429, 500, 502, 503, 504]),
    *map(of_google, [429, 500, 502, 503]),
    EndpointConnectionError(endpoint_url="http://host"),
    ReadTimeoutError(endpoint_url="http://host"),
    ServerDisconnectedError(),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    TimeoutError(),
    TimeoutError(),
    socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
]
OF_STORE = [
    *map(of_s3, ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"]),
    *map(of_s3, ["403", "NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed"]),
    *map(of_web, [401, 403, 407]),
    *map(of_google, [401, 403]),
    NoCredentialsError(),
    OSError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
]
OF_FILE = [
    *map(of_s3, ["NoSuchKey", "404", "InvalidObjectState", "InvalidRange", "KeyTooLongError"]),
    *map(of_web, [400, 404, 410, 416]),
    *map(of_google, [400, 404, 416]),
    ValueError("no"),
    UsageError("no", "no"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    """And if it does not pass, it is the store that does not answer."""
    assert not is_permanent(error)
    assert concerns_store(error)


@pytest.mark.parametrize("error", OF_STORE, ids=repr)
def test_what_the_store_says_of_all_files_stops_a_run(error: Exception) -> None:
    """It would say it of the next one too."""
    assert is_permanent(error)
    assert concerns_store(error)


@pytest.mark.parametrize("error", OF_FILE, ids=repr)
def test_what_the_store_says_of_one_file_is_a_failure(error: Exception) -> None:
    """The others may be there."""
    assert is_permanent(error)
    assert not concerns_store(error)


def test_every_error_of_s3_is_sorted() -> None:
    """The codes that pass are these; s3fs makes errors of no class that this would not know."""
    passing = {code for code in ERROR_CODE_TO_EXCEPTION if not is_permanent(of_s3(code))}
    assert passing == {
        *("500", "503", "409", "BadDigest", "IncompleteBody", "InternalError", "OperationAborted"),
        *("RequestTimeout", "RestoreAlreadyInProgress", "ServiceUnavailable", "SlowDown"),
        "BucketNotEmpty",
    }


def test_a_google_error_survives_without_a_number() -> None:
    """Its code may be text, or missing."""
    assert is_permanent(HttpError({"code": "404"}))
    assert not is_permanent(HttpError({"message": "so"}))


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("s3://bucket/a", True),
        ("HTTPS://host", True),
        ("memory://x", True),
        ("a/b", False),
        ("/s3://x", False),
        ("./http://x", False),
        ("://x", False),
        ("s3:/x", False),
    ],
)
def test_urls_are_told_from_paths(name: str, url: bool) -> None:  # noqa: FBT001
    """By `scheme://`."""
    assert is_url(name) is url


def test_a_url_has_one_spelling() -> None:
    """Slashes at its end and the case of its scheme say nothing; odd names stay."""
    assert checked("S3://bucket/") == "s3://bucket"
    assert checked("s3://bucket/a//b?#%20@:c.png") == "s3://bucket/a//b?#%20@:c.png"
    assert checked("https://host/x.png?id=3") == "https://host/x.png?id=3"
    assert checked("abfs://container@account/x") == "abfs://container@account/x"


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hidden@host/x",
        "s3://key:hidden@bucket/x",
        "https://host/x?X-Amz-Signature=hidden&id=3",
        "https://host/x?sig=hidden",
    ],
)
def test_secrets_are_refused(url: str) -> None:
    """And not repeated."""
    with pytest.raises(UsageError) as caught:
        checked(url)
    assert "hidden" not in str(caught.value)
    assert "me:" not in str(caught.value)


def test_unknown_schemes_are_refused() -> None:
    """In words."""
    with pytest.raises(UsageError, match="nosuch"):
        place_of("nosuch://x/y")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""

    def missing(_: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.get_filesystem_class", missing)
    with pytest.raises(CannotContinueError, match=r"pip install 'clip-prep-cli\[remote\]'"):
        place_of("s3://bucket/x")


def test_keys_may_look_like_chains() -> None:
    """`::` is no chain of file systems."""
    assert place_of("s3://bucket/zip::b.png").path == "bucket/zip::b.png"


def test_attempts_go_on_until_it_works() -> None:
    """After errors that pass."""
    errors = iter([TimeoutError(), of_s3("SlowDown")])

    def call() -> str:
        for error in errors:
            raise error
        return "there"

    assert attempt(call, 60) == "there"


def test_permanent_errors_are_not_tried_again() -> None:
    """They come through as they are."""
    calls = []

    def call() -> None:
        calls.append(1)
        raise of_s3("AccessDenied")

    with pytest.raises(PermissionError):
        attempt(call, 60)
    assert len(calls) == 1


@pytest.mark.parametrize(("patience", "stopping"), [(0, False), (60, True)])
def test_attempts_end(patience: float, stopping: bool) -> None:  # noqa: FBT001
    """When patience is over, or the run is to stop."""

    def call() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        attempt(call, patience, lambda: stopping)


def test_words_say_what_to_do() -> None:
    """Whether it is worth another run, or something is to be put right."""
    away = cannot_go_on("s3://b/x", TimeoutError(), 5)
    assert "s3://b does not answer" in str(away)
    assert "--retry-for" in str(away)
    assert "No such bucket: s3://b" in str(cannot_go_on("s3://b/x", of_s3("NoSuchBucket"), 5))
    assert "credentials" in str(cannot_go_on("s3://b/x", of_s3("403"), 5))
