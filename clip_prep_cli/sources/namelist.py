"""Names of inputs from a file or a pipe, as they come: a list may be longer than memory."""

import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clip_prep_cli.errors import CannotContinueError

_CHUNK = 1 << 16
_POLL_SECONDS = 0.5
_LONGEST = 1 << 16  # no system has longer paths
_STDIN = 0  # sys.stdin may not be there


@dataclass(frozen=True)
class NameList:
    """Where names are read from: a file, or `-` for standard input."""

    file: str
    null: bool = False
    """Whether a zero byte ends each name, instead of a newline."""

    def names(self, should_stop: Callable[[], bool]) -> Iterator[str]:
        """Each name that is not empty, once it is there; ends early if it should stop.

        Raises:
            CannotContinueError: the list cannot be read, or is not like that.
        """
        end = b"\0" if self.null else b"\n"
        rest = b""
        for chunk in self._chunks(should_stop):
            *whole, rest = (rest + chunk).split(end)
            yield from map(self._name, filter(None, whole))
            if len(rest) > _LONGEST:
                raise CannotContinueError(
                    f"{self._called} has an overlong name.", "Is -0 missing, or not wanted?"
                )
        if rest and not should_stop():
            yield self._name(rest)

    @property
    def _called(self) -> str:
        return "Standard input" if self.file == "-" else f"The list {self.file}"

    def _name(self, name: bytes) -> str:
        if b"\0" in name:
            raise CannotContinueError(f"{self._called} is NUL-separated.", "Add -0.")
        return os.fsdecode(name)

    def _chunks(self, should_stop: Callable[[], bool]) -> Iterator[bytes]:
        file = _STDIN
        try:
            if self.file != "-":
                # Does not wait for the writer of a FIFO, so that a request to stop is seen.
                file = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            while not should_stop():
                if not select.select([file], [], [], _POLL_SECONDS)[0]:
                    continue
                chunk = os.read(file, _CHUNK)
                if not chunk:
                    return
                yield chunk
        except OSError as error:
            raise CannotContinueError(
                f"{self._called} cannot be read: {error.strerror}.", "Check that it is readable."
            ) from error
        finally:
            if file != _STDIN:
                os.close(file)
