"""What there is in a directory at a URL, and what is known of one file there."""

import html
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

from clip_prep_cli.storage.retry import attempt
from clip_prep_cli.storage.stores import info_of, place_of
from clip_prep_cli.storage.urls import is_web

Info = Mapping[str, Any]
"""What fsspec knows of a file or directory."""

_TAIL = struct.Struct(">?qq")
_UNKNOWN = -1
_TIMES = ("LastModified", "mtime", "updated", "last_modified", "Last-Modified", "created")


class Stat(NamedTuple):
    """What a store says of a file. `mtime_ns` is in whole seconds; 0 if it does not say."""

    size: int
    mtime_ns: int


class ListingEntry(NamedTuple):
    """A name in a directory; `stat` is None if only asking for it would tell.

    `name` is what people call it, `link` what leads there: on the web, percent codes.
    """

    name: str
    link: str
    is_directory: bool
    stat: Stat | None

    @classmethod
    def unpacked(cls, packed: bytes, *, web: bool) -> Self:
        """The entry that `packed` holds."""
        link = os.fsdecode(packed[: -_TAIL.size])
        is_directory, size, mtime_ns = _TAIL.unpack(packed[-_TAIL.size :])
        stat = None if size == _UNKNOWN else Stat(size, mtime_ns)
        return cls(unquote(link) if web else link, link, is_directory, stat)


def look(url: str) -> Stat | None:
    """What is known of the file at `url`; None if it is a directory.

    Raises:
        Exception: whatever the store's file system raises; see `retry.is_permanent`.
    """
    info = info_of(place_of(url))
    # A web server's directories are the pages that it makes of them.
    if info["type"] == "directory" or (is_web(url) and info.get("mimetype") == "text/html"):
        return None
    return _stat(info)


def look_at_file(url: str) -> Stat:
    """What is known of the file at `url`, whatever else it may look like; raises as `look`."""
    return _stat(info_of(place_of(url)))


def packed_listing(url: str, patience: float, should_stop: Callable[[], bool]) -> list[bytes]:
    """The entries of a directory, packed, sorted by the bytes of the names that people see.

    Raises as `look`, after trying for `patience` seconds.
    """
    place = place_of(url)
    if is_web(url):
        links = attempt(lambda: place.fs.ls(url + "/", detail=True), patience, should_stop)
        found = {_packed(link, info) for link, info in _below(url + "/", links)}
        return sorted(found, key=lambda each: os.fsencode(unquote(os.fsdecode(each))))
    if hasattr(place.fs, "call_s3"):
        return sorted(_of_s3(place.fs, url, lambda ask: attempt(ask, patience, should_stop)))
    infos = attempt(lambda: place.fs.ls(place.path, detail=True), patience, should_stop)
    return sorted(_packed(name, info) for name, info in _named(place.path, infos))


def _of_s3(fs: Any, url: str, asked: Callable[[Callable[[], Any]], Any]) -> Iterator[bytes]:  # noqa: ANN401
    """Page by page, keeping only the packed entries; each page is tried again by itself.

    `ls` would take a prefix that ends with slashes for the one without, and so turn in circles.
    """
    path = url.partition("://")[2]
    bucket, _ = fs._find_bucket_key(path)  # noqa: SLF001 - access points have slashes in them
    prefix = f"{path[len(bucket) + 1 :]}/" if len(path) > len(bucket) else ""
    more: dict[str, str] = {}
    while True:
        query = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/", **more}
        page = asked(partial(fs.call_s3, "list_objects_v2", **query))
        for folder in page.get("CommonPrefixes", ()):
            yield _packed(folder["Prefix"][len(prefix) : -1], {"type": "directory"})
        for info in page.get("Contents", ()):
            # What ends with a slash is no file, but a folder that some browser of buckets made.
            if not info["Key"].endswith("/"):
                yield _packed(
                    info["Key"][len(prefix) :], {**info, "type": "file", "size": info["Size"]}
                )
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _named(top: str, infos: Iterable[Info]) -> Iterable[tuple[str, Info]]:
    """Each entry with its bare name."""
    above = top.rstrip("/") + "/"
    for info in infos:
        name = str(info["name"])
        below = name.removeprefix(above).rstrip("/")
        # A file lists as itself; a folder's own placeholder is no entry of it.
        if name.startswith(above) and below and "/" not in below:
            if name.endswith("/") and info["type"] != "directory":
                continue
            yield below, info


def _below(base: str, infos: Iterable[Info]) -> Iterable[tuple[str, Info]]:
    """The links of a page that lead one level down, and what they are."""
    for info in infos:
        url = html.unescape(str(info["name"]))
        link = url.removeprefix(base).removeprefix("./")
        bare = link.rstrip("/")
        inside = url.startswith(base) and bare not in ("", ".", "..")
        if inside and not {"/", "?", "#"} & {*bare} and "/" not in unquote(bare):
            yield bare, info


def _packed(name: str, info: Info) -> bytes:
    """An entry in little memory, that sorts by its name: a folder may hold millions."""
    is_directory = info["type"] == "directory"
    stat = Stat(_UNKNOWN, 0)
    if is_directory or info.get("size") is not None:
        stat = Stat(0, 0) if is_directory else _stat(info)
    return os.fsencode(name) + _TAIL.pack(is_directory, *stat)


def _stat(info: Info) -> Stat:
    time = next((info[name] for name in _TIMES if info.get(name)), None)
    return Stat(info.get("size") or 0, _nanoseconds(time))


def _nanoseconds(time: object) -> int:
    """A time as a store gives it, in whole seconds: listings and headers differ in the rest."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        if isinstance(time, str):
            with suppress(ValueError):
                time = parse(time)
    if isinstance(time, datetime):
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return int(time) * 10**9 if isinstance(time, int | float) else 0
