"""Directories at URLs, walked in the order of a local walk of the same tree."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from clip_prep_cli.common.threads import DaemonThreads, result_of
from clip_prep_cli.samples.records import Failure, Sample, unreadable_at
from clip_prep_cli.samples.roots import Roots
from clip_prep_cli.sources.archive_walk import samples_in, takes_file
from clip_prep_cli.sources.archives.kinds import is_archive
from clip_prep_cli.sources.files import STORES, Waiting
from clip_prep_cli.sources.scope import Scope, SeenNames
from clip_prep_cli.storage.listing import ListingEntry, Stat, packed_listing
from clip_prep_cli.storage.retry import attempt, cannot_go_on, concerns_store, is_permanent, words
from clip_prep_cli.storage.urls import is_web

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

REQUESTS = 32
"""How many requests are under way at once."""
_WINDOW = 4096
"""How many entries of one directory are looked through ahead for what has to be asked."""


class StoreRequests(NamedTuple):
    """Sends requests to stores, in other threads; each again and again if need be."""

    threads: DaemonThreads
    waiting: Waiting

    def send(self, request: Callable[[], T]) -> "Future[T]":
        """Send a request."""
        waiting = self.waiting
        return self.threads.submit(partial(attempt, request, waiting.patience, waiting.should_stop))


class _Listed(NamedTuple):
    """A directory to walk, or a file that the sieve took: its URL, its path below the input."""

    url: str
    below: str
    is_directory: bool
    stat: Stat | None = None


class _Stopped(Exception):  # noqa: N818 - not an error
    pass


class RemoteWalk:
    """The samples below directories at URLs.

    Listings, and the sizes of files that listings leave out, are requested ahead.
    """

    def __init__(self, scope: Scope, requests: StoreRequests) -> None:
        self._sieve = scope.sieve
        self._scope = scope
        self._requests = requests
        # All that was listed, and, with a slash, what was listed whole.
        self._seen = SeenNames()

    def samples(self, top: str) -> Iterator[Sample | Failure]:
        """Those in the directory `top` and below; what cannot be listed or read is a failure.

        Raises:
            CannotContinueError: the store does not answer, or refuses.
        """
        if top == self._scope.request.avoid:
            self._sieve.ignored["output"] += 1
            return
        try:
            # A stack of half-read listings instead of recursion: depth costs no Python frames.
            stack = [self._entered(_Listed(top, "", is_directory=True), self._listing(top))]
            while stack:
                found = next(stack[-1], None)
                if found is None:
                    stack.pop()
                elif isinstance(found[0], Failure):
                    yield found[0]
                elif found[0].is_directory:
                    stack.append(self._entered(*found))
                else:
                    yield from self._samples(*found)
        except _Stopped:
            return

    def is_gone(self, url: str) -> bool:
        """Whether the walk listed a directory in which `url` had to be, and was not.

        On the web, where a listing may have further pages, the server must say so too.
        """
        name = url
        while name not in self._seen:  # else it is there, or its directory was not listed
            above = name.rpartition("/")[0]
            if f"{above}/" in self._seen:
                return not is_web(url) or self._is_missing(url)
            if not above.partition("://")[2]:
                return False
            name = above
        return False

    def _is_missing(self, url: str) -> bool:
        try:
            self._answer(self._requests.send(partial(STORES.stat, url)))
        except FileNotFoundError:
            return True
        except Exception:  # noqa: BLE001 - it may well be there
            return False
        return False

    def _listing(self, url: str) -> "Future[Any]":
        threads, waiting = self._requests.threads, self._requests.waiting
        return threads.submit(partial(packed_listing, url, waiting.patience, waiting.should_stop))

    def _answer(self, future: "Future[Any]") -> Any:  # noqa: ANN401 - whatever was asked
        answer = result_of(future, self._requests.waiting.should_stop)
        if answer is None:
            raise _Stopped
        return answer

    def _entered(
        self, folder: _Listed, listing: "Future[list[bytes]]"
    ) -> "Iterator[tuple[Any, Any]]":
        """What is in a directory, each with the answer to come on it; or the failure to list it."""
        try:
            entries = self._answer(listing)
        except _Stopped:
            raise
        except Exception as error:
            if not folder.below or not is_permanent(error):
                raise cannot_go_on(folder.url, error, self._requests.waiting.patience) from error
            root, path = self._scope.roots.locate(folder.url)
            detail = f"cannot be listed: {words(error)}"
            return iter([(unreadable_at(root, path or ".", detail), None)])
        if self._scope.request.to_prune and entries:
            self._seen.add(f"{folder.url}/")
        return self._ahead(self._taken(folder, entries))

    def _taken(self, folder: _Listed, entries: list[bytes]) -> Iterator[_Listed]:
        """The files and directories of a listing that the sieve lets through."""
        below_to = f"{folder.below}/" if folder.below else ""
        web = is_web(folder.url)
        for packed in entries:
            if self._requests.waiting.should_stop():
                raise _Stopped
            name, link, is_directory, stat = ListingEntry.unpacked(packed, web=web)
            url, below = f"{folder.url}/{link}", below_to + name
            if self._scope.request.to_prune:
                self._seen.add(url)
            if is_directory:
                if url == self._scope.request.avoid:
                    self._sieve.ignored["output"] += 1
                elif url not in self._scope.directories and not self._sieve.passes_over(
                    name, below + "/"
                ):
                    yield _Listed(url, below, is_directory)
            elif url not in self._scope.files and takes_file(self._sieve, name, below):
                yield _Listed(url, below, is_directory, stat)

    def _ahead(self, items: Iterator[_Listed]) -> "Iterator[tuple[Any, Any]]":
        """The items in order, each with its answer, which is asked for while others are used."""
        waiting: deque[tuple[_Listed, Future[Any] | None]] = deque()
        asked = 0
        for item in items:
            future = None
            if item.is_directory:
                future = self._listing(item.url)
            elif item.stat is None:
                future = self._requests.send(partial(STORES.stat, item.url))
            asked += future is not None
            waiting.append((item, future))
            while waiting and (waiting[0][1] is None or asked > REQUESTS or len(waiting) > _WINDOW):
                asked -= waiting[0][1] is not None
                yield waiting.popleft()
        yield from waiting

    def _samples(self, file: _Listed, answer: "Future[Any] | None") -> Iterator[Sample | Failure]:
        roots = self._scope.roots
        try:
            stat = self._answer(answer) if answer else file.stat or Stat(0, 0)
        except _Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - it is sorted there
            yield unreadable_file(file.url, roots, error, self._requests.waiting)
            return
        root, path = roots.locate(file.url)
        sample = Sample(root, path, stat.size, stat.mtime_ns)
        if is_archive(file.url):
            yield from samples_in(self._scope, sample, file.url, file.below)
        else:
            yield sample


def unreadable_file(url: str, roots: Roots, error: Exception, waiting: Waiting) -> Failure:
    """The failure of one file.

    Raises:
        CannotContinueError: the error is not about this file alone.
    """
    if concerns_store(error):
        raise cannot_go_on(url, error, waiting.patience) from error
    return unreadable_at(*roots.locate(url), f"cannot be read: {words(error)}")
