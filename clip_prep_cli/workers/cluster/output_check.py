"""Whether a worker on another machine sees the same files as the run that it works for."""

import os
import time
from contextlib import suppress

from clip_prep_cli.errors import CannotContinueError, ClipPrepError
from clip_prep_cli.sets.names import LOCK, is_partial_tensor, own_files
from clip_prep_cli.storage.interface import Storage

_PATIENCE = 3.0
_LOOK_SECONDS = 0.2


def mark_of(directory: Storage) -> bytes:
    """What tells an output that a run holds from every other directory: its lock file."""
    return directory.read(LOCK)


def check_output(directory: Storage, mark: bytes, worker: str) -> None:
    """Refuse to write to a directory of that name that is another one.

    Raises:
        CannotContinueError: `directory` does not hold `mark` as seen from here.
    """
    deadline = time.monotonic() + _PATIENCE
    while not _holds(directory, mark):
        if time.monotonic() > deadline:
            raise CannotContinueError(
                f"The worker {worker} does not see this run's output {directory}: "
                "it has a different directory of that name, or none.",
                "All workers need the same file system at the same path as this process.",
            )
        time.sleep(_LOOK_SECONDS)


def clear_up(directory: Storage) -> None:
    """Remove what workers have left that were killed, or given up for dead.

    One of those that lives can go on writing, to no effect: names are given by the run alone.
    """
    with suppress(OSError, ClipPrepError):  # the next run removes it
        directory.remove(filter(is_partial_tensor, own_files(directory)))


def _holds(directory: Storage, mark: bytes) -> bool:
    """Look afresh: a client of NFS believes for a while what it has seen, unless it lists."""
    try:
        if directory.here:
            os.listdir(directory.here)
        return mark_of(directory) == mark
    except OSError:
        return False
