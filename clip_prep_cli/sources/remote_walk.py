"""Directories at URLs, walked in the order of a local walk of the same tree."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from xxhash import xxh3_128_digest

from clip_prep_cli.common.threads import DaemonThreads, result_of
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.samples.roots import Roots
from clip_prep_cli.sources.archive_walk import ArchiveWalk, takes_file
from clip_prep_cli.sources.archives.archive import access_to, is_archive
from clip_prep_cli.sources.selection import Sieve
from clip_prep_cli.sources.walk import Bounds
from clip_prep_cli.storage.listing import Listed, Stat, look_at_file, packed_listing
from clip_prep_cli.storage.retry import attempt, cannot_go_on, concerns_store, is_permanent, words
from clip_prep_cli.storage.urls import checked, is_url, is_web

if TYPE_CHECKING:
    from concurrent.futures import Future

REQUESTS = 32
"""So many questions are asked at once."""
_WINDOW = 4096
"""So far is looked ahead, in entries of one directory, for what has to be asked."""


class Asking(NamedTuple):
    """How stores are asked: in which threads, for how long, and until when."""

    crew: DaemonThreads
    patience: float
    should_stop: Callable[[], bool]

    def begin(self, question: Callable[[], Any]) -> "Future[Any]":
        """Ask in another thread, again and again if need be."""
        return self.crew.submit(partial(attempt, question, self.patience, self.should_stop))


class _Folder(NamedTuple):
    """A directory to walk: its URL, and its path below the input."""

    url: str
    below: str


class _File(NamedTuple):
    """A file that the sieve took: its URL, and its path below the input."""

    url: str
    below: str
    stat: Stat | None


_NOTHING = Stat(0, 0)


class _Stopped(Exception):  # noqa: N818 - not an error
    pass


class Wants(Protocol):
    """What a run wants of a walk."""

    @property
    def avoid(self) -> str | None:
        """A directory that is not walked."""

    @property
    def to_prune(self) -> bool:
        """Whether somebody will ask what is gone."""


class RemoteWalk:
    """The samples below directories at URLs.

    Listings, and the sizes of files that listings do not tell, are asked for ahead.
    """

    def __init__(
        self, sieve: Sieve, roots: Roots, bounds: Bounds, asking: Asking, wants: Wants
    ) -> None:
        self._sieve = sieve
        self._roots = roots
        self._bounds = bounds
        self._asking = asking
        self._avoid = checked(wants.avoid) if wants.avoid and is_url(wants.avoid) else None
        # Digests of all that was listed, and, with a slash, of what was listed whole.
        self._seen: set[bytes] = set()
        self._to_prune = wants.to_prune
        opening = partial(access_to, patience=asking.patience, should_stop=asking.should_stop)
        self._archives = ArchiveWalk(sieve, asking.should_stop, opening)

    def samples(self, top: str) -> Iterator[Sample | Failure]:
        """Those in the directory `top` and below; what cannot be listed or read is a failure.

        Raises:
            CannotContinueError: the store does not answer, or refuses.
        """
        if self._avoid and top == self._avoid:
            self._sieve.ignored["output"] += 1
            return
        try:
            # A stack of half-read listings instead of recursion: depth costs no Python frames.
            stack = [self._entered(_Folder(top, ""), self._listing(top))]
            while stack:
                found = next(stack[-1], None)
                if found is None:
                    stack.pop()
                elif isinstance(found[0], _Folder):
                    stack.append(self._entered(*found))
                else:
                    yield from self._samples(*found)
        except _Stopped:
            return

    def is_gone(self, url: str) -> bool:
        """Whether the walk listed a directory in which `url` had to be, and was not.

        On the web, where a listing may have further pages, the server must say so as well.
        """
        name = url
        while _digest(name) not in self._seen:  # else it is there, or nobody looked into it
            above = name.rpartition("/")[0]
            if _digest(f"{above}/") in self._seen:
                return not is_web(url) or self._is_missing(url)
            if not above.partition("://")[2]:
                return False
            name = above
        return False

    def _is_missing(self, url: str) -> bool:
        try:
            self._answer(self._asking.begin(partial(look_at_file, url)))
        except FileNotFoundError:
            return True
        except Exception:  # noqa: BLE001 - it may well be there
            return False
        return False

    def _listing(self, url: str) -> "Future[Any]":
        _, patience, should_stop = self._asking
        return self._asking.crew.submit(partial(packed_listing, url, patience, should_stop))

    def _answer(self, future: "Future[Any]") -> Any:  # noqa: ANN401 - whatever was asked
        answer = result_of(future, self._asking.should_stop)
        if answer is None:
            raise _Stopped
        return answer

    def _entered(
        self, folder: _Folder, listing: "Future[list[bytes]]"
    ) -> "Iterator[tuple[Any, Any]]":
        """What is in a directory, each with the answer to come on it; or the failure to list it."""
        try:
            entries = self._answer(listing)
        except _Stopped:
            raise
        except Exception as error:
            if not folder.below or not is_permanent(error):
                raise cannot_go_on(folder.url, error, self._asking.patience) from error
            root, path = self._roots.locate(folder.url)
            detail = f"cannot be listed: {words(error)}"
            return iter(
                [(Failure(Sample(root, path or ".", 0, 0), "unreadable", detail, None), None)]
            )
        if self._to_prune and entries:
            self._seen.add(_digest(f"{folder.url}/"))
        return self._ahead(self._taken(folder, entries))

    def _taken(self, folder: _Folder, entries: list[bytes]) -> Iterator[_Folder | _File]:
        """The files and directories of a listing that the sieve lets through."""
        below_to = f"{folder.below}/" if folder.below else ""
        web = is_web(folder.url)
        for packed in entries:
            if self._asking.should_stop():
                raise _Stopped
            name, link, is_directory, stat = Listed.unpacked(packed, web=web)
            url, below = f"{folder.url}/{link}", below_to + name
            if self._to_prune:
                self._seen.add(_digest(url))
            if is_directory:
                if url == self._avoid:
                    self._sieve.ignored["output"] += 1
                elif url not in self._bounds.directories and not self._sieve.passes_over(
                    name, below + "/"
                ):
                    yield _Folder(url, below)
            elif url not in self._bounds.files and takes_file(self._sieve, name, below):
                yield _File(url, below, stat)

    def _ahead(self, items: Iterator[_Folder | _File]) -> "Iterator[tuple[Any, Any]]":
        """The items in order, each with its answer, which is asked for while others are used."""
        waiting: deque[tuple[_Folder | _File, Future[Any] | None]] = deque()
        asked = 0
        for item in items:
            future = None
            if isinstance(item, _Folder):
                future = self._listing(item.url)
            elif item.stat is None:
                future = self._asking.begin(partial(look_at_file, item.url))
            asked += future is not None
            waiting.append((item, future))
            while waiting and (waiting[0][1] is None or asked > REQUESTS or len(waiting) > _WINDOW):
                asked -= waiting[0][1] is not None
                yield waiting.popleft()
        yield from waiting

    def _samples(
        self, item: "_File | Failure", answer: "Future[Any] | None"
    ) -> Iterator[Sample | Failure]:
        found = self._sample(item, answer)
        if isinstance(item, _File) and isinstance(found, Sample) and is_archive(item.url):
            yield from self._archives.samples(found, item.url, item.below)
        else:
            yield found

    def _sample(self, item: "_File | Failure", answer: "Future[Any] | None") -> Sample | Failure:
        if isinstance(item, Failure):
            return item
        place = self._roots.locate(item.url)
        if answer is None:
            return Sample(*place, *(item.stat or _NOTHING))
        try:
            return Sample(*place, *self._answer(answer))
        except _Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - it is sorted there
            return unreadable(item.url, Sample(*place, 0, 0), error, self._asking.patience)


def unreadable(url: str, sample: Sample, error: Exception, patience: float) -> Failure:
    """The failure of one file.

    Raises:
        CannotContinueError: the error is not about this file alone.
    """
    if concerns_store(error):
        raise cannot_go_on(url, error, patience) from error
    return Failure(sample, "unreadable", f"cannot be read: {words(error)}", None)


def _digest(url: str) -> bytes:
    return xxh3_128_digest(url.encode(errors="surrogateescape"))
