"""Files about a set: where they may be, and writing them."""

from pathlib import Path

from clip_prep_cli.errors import CannotContinueError, UsageError
from clip_prep_cli.storage.durable import write_atomically
from clip_prep_cli.storage.interface import Storage


def check_output(out: Path, directory: Storage) -> None:
    """Refuse a place for a file about the set in `directory` that would do harm.

    Raises:
        UsageError: `out` lies in the set, or is not a regular file.
    """
    if out.is_dir():
        raise UsageError(f"{out} is a directory.", "Name a file with -o.")
    if out.exists() and not out.is_file():  # a device would be replaced by a file
        raise UsageError(f"{out} is not a regular file.", "Choose another file with -o.")
    if directory.here and out.resolve().is_relative_to(directory.here.resolve()):
        raise UsageError(
            f"{out} is inside the set, where `clip-prep verify` would report it.",
            "Choose another file with -o.",
        )


def write_output(out: Path, content: bytes) -> None:
    """Write a file about a set, whole or not at all.

    Raises:
        CannotContinueError: it cannot be written.
    """
    try:
        write_atomically(out, content)
    except OSError as error:
        raise CannotContinueError(
            f"Cannot write {out}: {error.strerror}.", "Fix that, or choose another file with -o."
        ) from error
