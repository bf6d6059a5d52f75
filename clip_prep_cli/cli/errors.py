"""Errors that a user can do something about: words and an exit status instead of a traceback."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from clip_prep_cli.cli.output import say
from clip_prep_cli.common.wording import printable
from clip_prep_cli.errors import BusyError, CannotContinueError, ClipPrepError, UsageError

EXIT_CANNOT_CONTINUE = 1
EXIT_USAGE = 2
EXIT_FAILURES = 3
EXIT_DIFFERENCE = 4
EXIT_BUSY = 75


@contextmanager
def errors_in_words() -> Iterator[None]:
    """The boundary for everything that the user can fix."""
    try:
        yield
    except ClipPrepError as error:
        fail(error)
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read the result has seen enough; Click knows
            raise
        what = f"Cannot read {error.filename}" if error.filename else "Cannot read or write"
        remedy = "Fix that, then run the same command again."
        fail(CannotContinueError(f"{what}: {error.strerror}.", remedy))


def fail(error: ClipPrepError) -> NoReturn:
    """End the process with the error's words and its exit status."""
    for line in error.lines:
        say(printable(line))
    status = {UsageError: EXIT_USAGE, BusyError: EXIT_BUSY}
    sys.exit(status.get(type(error), EXIT_CANNOT_CONTINUE))
