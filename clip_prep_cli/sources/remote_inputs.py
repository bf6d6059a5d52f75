"""Inputs that are named by URLs, and what their stores say of them."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from functools import partial
from itertools import chain

from clip_prep_cli.common.threads import Ahead, DaemonThreads, result_of
from clip_prep_cli.errors import CannotContinueError, UsageError
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.sources.remote_walk import REQUESTS, Asking, unreadable
from clip_prep_cli.storage.listing import Stat, look
from clip_prep_cli.storage.retry import cannot_go_on, concerns_store
from clip_prep_cli.storage.urls import checked, is_url, is_web, origin

_NAMES_AHEAD = 256
_SILENCE_SECONDS = 3.0
_FIRST_PATIENCE = 30.0
"""A run that has not begun loses nothing if it ends: a mistyped host should not cost minutes."""

Look = Stat | Exception | None
"""Of a file, its size and time; None of a directory, or of a path; or why neither is known."""


class RemoteInputs:
    """Asks stores about named inputs."""

    def __init__(
        self, patience: float, should_stop: Callable[[], bool], say: Callable[[str], None]
    ) -> None:
        """`say` hears why nothing happens."""
        self._say = say
        self.asking = Asking(DaemonThreads(REQUESTS), patience, should_stop)

    def named(self, names: Iterable[str]) -> dict[str, Stat | None]:
        """What each named URL is; ends early if it should stop.

        Raises:
            UsageError: there is nothing there.
            CannotContinueError: the store does not answer, or refuses.
        """
        patience = min(self.asking.patience, _FIRST_PATIENCE)
        asking = self.asking._replace(patience=patience)
        futures = {
            checked(name): asking.begin(partial(_look, name)) for name in dict.fromkeys(names)
        }
        found: dict[str, Stat | None] = {}
        for url, future in futures.items():
            try:
                if not wait([future], _SILENCE_SECONDS).done:
                    self._say(f"Waiting for {origin(url)} to answer.")
                answer = result_of(future, asking.should_stop)
            except (CannotContinueError, UsageError):
                raise
            except FileNotFoundError as error:
                if concerns_store(error):
                    raise cannot_go_on(url, error, patience) from error
                raise UsageError(
                    f"The input {url} does not exist.",
                    "Check the URL; use --include for patterns."
                    if "*" in url
                    else "Check the URL.",
                ) from error
            except Exception as error:
                raise cannot_go_on(url, error, patience) from error
            if answer is None:
                break
            found[url] = answer[0]
        return found

    def listed(self, names: Iterable[str]) -> Iterator[tuple[str, Look]]:
        """Each name with what is there; URLs are asked about ahead. Nothing is asked of paths."""
        names = iter(names)
        for name in names:
            if is_url(name):
                yield from self._asked_ahead(chain((name,), names))
            else:
                yield name, None

    def sample(self, url: str, place: tuple[int, str], known: Stat | Exception) -> Sample | Failure:
        """What a listed URL stands for.

        Raises:
            CannotContinueError: what is known of it is that its store does not answer, or refuses.
        """
        if isinstance(known, Stat):
            return Sample(*place, *known)
        return unreadable(url, Sample(*place, 0, 0), known, self.asking.patience)

    def _asked_ahead(self, names: Iterable[str]) -> Iterator[tuple[str, Look]]:
        asked = (
            (name, self.asking.begin(partial(_look, name)) if is_url(name) else None)
            for name in names
        )
        ahead = Ahead(asked, _NAMES_AHEAD)
        try:
            for item in ahead:
                if item is None:
                    if self.asking.should_stop():
                        return
                    continue
                name, future = item
                look: Look = None
                if future is not None:
                    try:
                        answer = result_of(future, self.asking.should_stop)
                    except (CannotContinueError, UsageError):
                        raise
                    except Exception as error:  # noqa: BLE001 - it is what is known of this name
                        look = error
                    else:
                        if answer is None:
                            return
                        look = answer[0]
                yield name, look
        finally:
            ahead.close()


def _look(name: str) -> tuple[Stat | None]:
    if name.endswith("/") and (is_web(name) or name.count("/") > 3):
        return (None,)  # who writes it so means the directory; listing it will tell
    return (look(checked(name)),)
