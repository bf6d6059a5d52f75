"""Files that are whole or not there: reserve, write, sync, rename."""

import errno
import os
from pathlib import Path

from clip_prep_cli.errors import CannotContinueError


def pwrite_all(file: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at `offset`, however many calls the kernel wants for it.

    Raises:
        OSError: the write fails.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def reserve(path: Path, size: int) -> int:
    """Create the file `path` with `size` bytes of space that is really there; its descriptor.

    Raises:
        OSError: there is no such space (ENOSPC, EDQUOT, EFBIG), or `path` exists.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)
        else:  # macOS
            os.ftruncate(file, size)
    except OSError:
        os.close(file)
        path.unlink()
        raise
    return file


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: after a crash it is the old file or the new one.

    Raises:
        OSError: the content cannot be written; `path` is as before.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable."""
    file = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def storage_error(error: OSError, directory: Path, needed: int = 0) -> CannotContinueError:
    """What a failed write in `directory` means for the user; `needed` is in bytes."""
    place = f"the file system of {directory}"
    again = "then run the same command again: it goes on where it stopped."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        stat = os.statvfs(directory)
        free = stat.f_bavail * stat.f_frsize
        problem = f"No space left on {place}: {free:,} bytes are free"
        if needed:
            problem += f", the next shard needs {needed:,} ({max(needed - free, 0):,} are missing)"
        return CannotContinueError(f"{problem}.", f"Make room, {again}")
    if error.errno == errno.EFBIG:
        return CannotContinueError(
            f"A shard of {needed:,} bytes is larger than {place} or `ulimit -f` allows.",
            "Raise the limit, or take a smaller --shard-size.",
        )
    name = error.filename or directory
    return CannotContinueError(f"Cannot write {name}: {error.strerror}.", f"Mend that, {again}")
