"""URLs: what they look like, and what may be in them."""

from urllib.parse import parse_qsl, urlsplit

from clip_prep_cli.errors import UsageError

_SECRETS = {
    *("x-amz-signature", "x-amz-security-token", "x-goog-signature", "signature", "sig"),
    *("token", "access_token", "key", "api_key", "apikey", "password"),
}
"""Parameters of a URL that let in whoever has it."""


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
        raise UsageError(f"{url} has no bucket or host.", f"Add it: {scheme}://NAME/FOLDER.")
    if ":" in host.rpartition("@")[0]:
        raise UsageError(
            f"The URL {scheme}://...@{host.rpartition('@')[2]}/... contains a password.",
            "Remove it, and provide credentials as its store expects them (docs/remote.md).",
        )
    url = f"{scheme.lower()}://{rest}"
    query = urlsplit(url).query if is_web(url) else ""
    if found := [name for name, _ in parse_qsl(query) if name.lower() in _SECRETS]:
        raise UsageError(
            f"The URL {url.partition('?')[0]}?... contains a secret ({', '.join(found)}).",
            "A set records the names of its sources; use a URL without secrets.",
        )
    return url.rstrip("/")


def origin(url: str) -> str:
    """The bucket or host of a URL, as a URL."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def copy_hint(url: str) -> str:
    """How a set gets from a URL to this machine, for people."""
    tools = {"s3": "aws s3 sync", "gs": "gcloud storage rsync -r"}
    tool = tools.get(url.partition("://")[0])
    return f"`{tool} {url} DIR`" if tool else "the store's own tool"
