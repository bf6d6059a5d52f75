"""Inputs that are named by URLs: what their stores say of them, and the walks of directories."""

from collections.abc import Iterable
from concurrent.futures import Future, wait
from functools import partial

from clip_prep_cli.common.threads import DaemonThreads, result_of
from clip_prep_cli.errors import CannotContinueError, UsageError
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.sources.remote_walk import REQUESTS, RemoteWalk, StoreRequests, unreadable_file
from clip_prep_cli.sources.scope import Answer, Scope
from clip_prep_cli.storage.listing import look
from clip_prep_cli.storage.retry import cannot_go_on, concerns_store
from clip_prep_cli.storage.urls import checked, is_web, origin

_SILENCE_SECONDS = 3.0
_FIRST_PATIENCE = 30.0
"""A run that has not begun loses nothing if it ends: a mistyped host should not cost minutes."""


class RemoteInputs:
    """Asks stores about named inputs."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._waiting = scope.request.waiting
        self._requests = StoreRequests(DaemonThreads(REQUESTS), self._waiting)
        walk = RemoteWalk(scope, self._requests)
        self.samples, self.is_gone = walk.samples, walk.is_gone

    def named(self, names: Iterable[str]) -> dict[str, Answer]:
        """What each input is, by its URL; ends early if it should stop.

        Raises:
            UsageError: there is nothing there.
            CannotContinueError: the store does not answer, or refuses.
        """
        patience = min(self._waiting.patience, _FIRST_PATIENCE)
        requests = self._requests._replace(waiting=self._waiting._replace(patience=patience))
        futures = {checked(name): requests.send(partial(_look, name)) for name in names}
        found: dict[str, Answer] = {}
        for url, future in futures.items():
            try:
                if not wait([future], _SILENCE_SECONDS).done:
                    self._scope.request.on_waiting(f"Waiting for {origin(url)} to answer.")
                answer = result_of(future, self._waiting.should_stop)
            except (CannotContinueError, UsageError):
                raise
            except Exception as error:
                if isinstance(error, FileNotFoundError) and not concerns_store(error):
                    remedy = "Check the URL" + "; use --include for patterns" * ("*" in url)
                    raise UsageError(f"The input {url} does not exist.", f"{remedy}.") from error
                raise cannot_go_on(url, error, patience) from error
            if answer is None:
                break
            found[url] = answer
        return found

    def ask(self, name: str) -> Future[Answer]:
        """Begin to ask what a listed name is."""
        return self._requests.send(partial(_look, name))

    def sample(self, url: str, answer: Answer) -> Sample | Failure:
        """What a named file stands for, by the answer about it.

        Raises:
            CannotContinueError: what is known of it is that its store does not answer, or refuses.
        """
        if isinstance(answer.file, Exception):
            return unreadable_file(url, self._scope.roots, answer.file, self._waiting)
        root, path = self._scope.roots.locate(url)
        return Sample(root, path, answer.file.size, answer.file.mtime_ns)


def _look(name: str) -> Answer:
    if name.endswith("/") and (is_web(name) or name.count("/") > 3):
        return Answer(is_directory=True)  # who writes it so means the directory
    stat = look(checked(name))
    return Answer(is_directory=False, file=stat) if stat else Answer(is_directory=True)
