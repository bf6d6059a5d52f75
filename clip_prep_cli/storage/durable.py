"""Files that are whole or not there: reserve, write, sync, rename; OSError where that fails."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from clip_prep_cli.errors import CannotContinueError

_FEW_INODES = 16
"""So few that they may be why there is no space; cleaning up has freed some again."""


def partial_name(name: str, token: int | None = None) -> str:
    """The name of a file until it is whole: with `token`, by default the id of this process.

    That keeps a process that outlived its run away from the files of the next.
    """
    return f"{name}.{os.getpid() if token is None else token}.partial"


def pwrite_all(file: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at `offset`, however many calls the kernel wants for it."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def reserve(path: Path, size: int) -> int:
    """Create the file `path` with `size` bytes of space that is really there; its descriptor.

    Raises:
        OSError: there is no such space (ENOSPC, EDQUOT, EFBIG), or `path` exists.
    """
    # An allocation that fails midway holds for a moment what a small write elsewhere may need.
    stat = os.statvfs(path.parent)
    if 0 < stat.f_bavail * stat.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)
        else:  # macOS
            os.ftruncate(file, size)
    except OSError:
        os.close(file)
        remove(path)
        raise
    return file


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: after a crash it is the old file or the new one.

    Raises:
        OSError: the content cannot be written; `path` is as before.
    """
    partial = path.with_name(partial_name(path.name))
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        remove(partial)
        error.filename = str(path)  # the name that the user knows
        raise
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """Clean up after an error, which matters more than that this may fail as well."""
    with suppress(OSError):
        path.unlink()


def make_directory(path: Path) -> None:
    """Make a directory, unless it is there, and those above it; durable."""
    if not path.is_dir():
        if not path.parent.exists():
            make_directory(path.parent)
        path.mkdir(exist_ok=True)
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
    place = f"{directory}, on the file system at {_mount_point(directory)}"
    again = "then run the same command again to continue."
    if error.errno == errno.EDQUOT:
        return CannotContinueError(
            f"Disk quota exceeded in {place}{_needs(needed)}.", f"Free some space, {again}"
        )
    if error.errno == errno.ENOSPC:
        stat = os.statvfs(_mount_point(directory))
        inodes = ""
        if stat.f_files and stat.f_favail < _FEW_INODES:
            inodes = f", inodes for {stat.f_favail} more files"
        free = stat.f_bavail * stat.f_frsize
        missing = f" ({needed - free:,} short)" if needed > free else ""
        return CannotContinueError(
            f"No space left in {place}: {free:,} bytes free{inodes}{_needs(needed)}{missing}.",
            f"Free some space, {again}",
        )
    if error.errno == errno.EFBIG:
        what = f"A shard of {needed:,} bytes" if needed else "A file"
        return CannotContinueError(
            f"{what} exceeds `ulimit -f`, or the largest file possible in {place}.",
            "Raise the limit, or use a smaller --shard-size.",
        )
    name = error.filename or directory
    return CannotContinueError(f"Cannot write to {name}: {error.strerror}.", f"Fix that, {again}")


def _needs(needed: int) -> str:
    return f", the next shard needs {needed:,}" if needed else ""


def _mount_point(directory: Path) -> Path:
    """Where the file system of `directory`, which need not exist yet, is mounted."""
    path = directory.absolute()
    while not path.is_mount():  # also false for what does not exist; the root is one
        path = path.parent
    return path
