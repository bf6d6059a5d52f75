"""Rows on their way to disk: written by a thread, past the page cache where that is possible.

Several processes that write to one file through the page cache wait for its lock, spinning; and
the cache is of no use for gigabytes that nobody reads soon. Direct writes have neither cost, and
leave nothing to do for the fsync at the end.
"""

import errno
import fcntl
import math
import mmap
import os
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip_prep_cli.storage.durable import pwrite_all
from clip_prep_cli.workers.batch import RowNotWrittenError

_BLOCK = 512  # what direct writes must be aligned to, on nearly all disks
_O_DIRECT = getattr(os, "O_DIRECT", 0)  # Linux has it, macOS does not


class _Row(NamedTuple):
    file: int
    buffer: NDArray[Any]
    offset: int


class RowWriter:
    """Two buffers for rows of one shape, and the thread that writes them."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.row_bytes = math.prod(shape) * dtype.itemsize
        self._free: SimpleQueue[NDArray[Any]] = SimpleQueue()
        self._tasks: SimpleQueue[_Row | SimpleQueue[OSError | None]] = SimpleQueue()
        # Anonymous maps begin on a page, as direct writes want it.
        self._filling, written = (
            np.frombuffer(mmap.mmap(-1, self.row_bytes), dtype).reshape(shape) for _ in "ab"
        )
        self._free.put(written)
        Thread(target=self._run, daemon=True).start()

    def buffer(self) -> NDArray[Any]:
        """The buffer to fill next; what it held before has been handed to the kernel."""
        return self._filling

    def write(self, file: int, offset: int) -> None:
        """Write the filled buffer at `offset`, soon; waits until the other one is written."""
        self._tasks.put(_Row(file, self._filling, offset))
        self._filling = self._free.get()

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            RowNotWrittenError: something could not be.
        """
        answer: SimpleQueue[OSError | None] = SimpleQueue()
        self._tasks.put(answer)
        if error := answer.get():
            raise RowNotWrittenError(error) from error

    def _run(self) -> None:
        error: OSError | None = None
        while True:
            task = self._tasks.get()
            if not isinstance(task, _Row):
                task.put(error)
                error = None
                continue
            try:
                _write(task.file, task.buffer.data.cast("B"), task.offset)
            except OSError as failed:
                error = failed
            self._free.put(task.buffer)


def open_target(path: str, row_bytes: int) -> int:
    """Open a reserved file for writing rows.

    Raises:
        RowNotWrittenError: it cannot be opened.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RowNotWrittenError(error) from error
    if _O_DIRECT and row_bytes % _BLOCK == 0:
        _set_direct(file, on=True)
    return file


def _write(file: int, data: memoryview, offset: int) -> None:
    try:
        pwrite_all(file, data, offset)
    except OSError as error:
        # A disk of larger blocks, or a file system that finds out only now.
        if error.errno != errno.EINVAL or not _set_direct(file, on=False):
            raise
        pwrite_all(file, data, offset)


def _set_direct(file: int, *, on: bool) -> bool:
    """Switch direct writes on or off; whether that changed anything."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    wanted = flags | _O_DIRECT if on else flags & ~_O_DIRECT
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, wanted)
    except OSError:  # this file system has no direct writes
        return False
    return wanted != flags
