"""One remote file as an open file: seekable, read ahead while it is read from front to back."""

import io
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from clip_prep_cli.common.threads import DaemonThreads, result_of
from clip_prep_cli.errors import ClipPrepError
from clip_prep_cli.storage.retry import (
    DEFAULT_PATIENCE,
    attempt,
    cannot_go_on,
    concerns_store,
    not_there,
    words,
)
from clip_prep_cli.storage.stores import info_of, place_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from _typeshed import WriteableBuffer

T = TypeVar("T")

_BLOCK = 4 << 20
_AHEAD = 4
"""Blocks that are on their way while the one before them is used."""
_KEPT = 8
_THREADS = 8


def open_url(
    url: str, patience: float = DEFAULT_PATIENCE, should_stop: Callable[[], bool] = lambda: False
) -> io.BufferedReader:
    """Open the file at `url` for reading.

    Raises:
        OSError: it cannot be read; or what is asked for is waited for no more, as it should stop.
        CannotContinueError: the store does not answer, or refuses.
    """
    return io.BufferedReader(_RemoteFile(url, patience, should_stop), 1 << 16)


class _RemoteFile(io.RawIOBase):
    """Blocks of a remote file, asked for in threads."""

    def __init__(self, url: str, patience: float, should_stop: Callable[[], bool]) -> None:
        self._url = url
        self._patience = patience
        self._should_stop = should_stop
        self._position = 0
        self._last = -1
        self._blocks: dict[int, Future[bytes]] = {}
        self._place = place_of(url)
        self._size = self._of(self._asked(self._ask_size))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if self._position >= self._size:
            return 0
        number, begin = divmod(self._position, _BLOCK)
        data = self._block(number)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(data) - begin)
        if count <= 0:
            raise OSError(f"{self._url} became shorter while it was being read")
        view[:count] = memoryview(data)[begin : begin + count]
        self._position += count
        return count

    def close(self) -> None:
        self._blocks.clear()
        super().close()

    def _block(self, number: int) -> bytes:
        in_order = number in (self._last, self._last + 1)
        for wanted in range(number, number + 1 + (_AHEAD if in_order else 0)):
            if wanted not in self._blocks and wanted * _BLOCK < self._size:
                self._blocks[wanted] = self._asked(partial(self._read_block, wanted))
        for old in [each for each in self._blocks if not number <= each <= number + _AHEAD]:
            if len(self._blocks) <= _KEPT:
                break
            del self._blocks[old]
        self._last = number
        return self._of(self._blocks[number])

    def _asked(self, question: Callable[[], T]) -> "Future[T]":
        return _threads().submit(partial(attempt, question, self._patience, self._should_stop))

    def _of(self, future: "Future[T]") -> T:
        """What was asked for; errors in the terms of `open_url`."""
        try:
            answer = result_of(future, self._should_stop)
        except ClipPrepError:
            raise
        except FileNotFoundError as error:
            raise not_there(self._url) from error
        except Exception as error:
            if concerns_store(error):
                raise cannot_go_on(self._url, error, self._patience) from error
            raise OSError(words(error)) from error
        if answer is None:
            raise OSError("the run was stopped")
        return answer

    def _read_block(self, number: int) -> bytes:
        fs, path = self._place
        begin = number * _BLOCK
        end = min(begin + _BLOCK, self._size)
        data: bytes = fs.cat_file(path, start=begin, end=end)
        if len(data) > end - begin:  # by a server that knows of no ranges
            data = data[begin:end]
        return data

    def _ask_size(self) -> int:
        size = info_of(self._place)["size"]
        if size is None:
            raise ValueError("its server does not report its size")
        return int(size)


@cache
def _threads() -> DaemonThreads:
    return DaemonThreads(_THREADS)
