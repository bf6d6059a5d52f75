"""Copies of samples that can be read only once, on disk, for as long as workers need them.

One file for each shard, and few files at a time: a compressed archive is never unpacked as a whole.
"""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Condition
from typing import Self

from clip_prep_cli.errors import CannotContinueError, ImageError
from clip_prep_cli.samples.parts import Part, Streamed
from clip_prep_cli.storage.durable import pwrite_all, remove, storage_error

_FILES = 3
"""One is being filled while workers read from another, and one is between them."""

_TICK_SECONDS = 0.2


class Spool:
    """Filled by one thread, shard by shard, while another lets go of the shards that are made.

    Used in a `with` statement, which leaves nothing behind.
    """

    def __init__(
        self,
        directory: Path | None,
        most: int,
        should_stop: Callable[[], bool] = lambda: False,
        file_name: Callable[[int], str] = str,
    ) -> None:
        """No sample of more than `most` bytes is copied; `file_name` names a shard's file.

        Without a `directory` none can be: workers are elsewhere, and see no disk of this machine.
        """
        self._directory = directory
        self._most = most
        self._should_stop = should_stop
        self._file_name = file_name
        self._paths: dict[int, Path] = {}
        self._changed = Condition()
        self._number = -1
        self._file = -1
        self._end = 0

    def keep(self, streamed: Streamed, number: int) -> Part | None:
        """Where the sample is now, until shard `number` is released; None: it is damaged.

        Waits while there are enough files, unless it should stop; then it is None too.

        Raises:
            CannotContinueError: there is no space for it, or no directory.
        """
        part = streamed.part
        if self._directory is None:
            raise CannotContinueError(
                f"{part.file} would be unpacked on this machine, where workers on other "
                "machines cannot read it.",
                "Choose an --out on a shared disk, or unpack the archive; a plain .tar or a .zip "
                "on a shared disk is read in place.",
            )
        if not self.takes(streamed):  # what reads it will refuse it before it looks
            return part
        try:
            if number != self._number and not self._begin(number, self._directory):
                return None
            begin = self._end
            for piece in streamed.raw():
                pwrite_all(self._file, piece, self._end)
                self._end += len(piece)
        except ImageError:  # the listing meets it too, and reports it
            return None
        except OSError as error:
            raise storage_error(error, self._directory) from error
        return part._replace(file=str(self._paths[number]), offset=begin, stamp=None)

    def takes(self, streamed: Streamed) -> bool:
        """Whether it would be copied."""
        return streamed.part.size <= self._most

    def take_back(self, part: Part) -> None:
        """Give up the sample that was kept last, if it is that one; the next takes its place."""
        if part.file == str(self._paths.get(self._number)):
            self._end = part.offset

    def release(self, number: int) -> None:
        """Let a shard's samples go, if there are any."""
        with self._changed:
            if path := self._paths.pop(number, None):
                remove(path)
            self._changed.notify()

    def _begin(self, number: int, directory: Path) -> bool:
        """Begin a file, as soon as there may be one more; whether that came to be."""
        with self._changed:
            while len(self._paths) >= _FILES:
                if self._should_stop():
                    return False
                self._changed.wait(_TICK_SECONDS)
            self._close()
            path = directory / self._file_name(number)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            self._paths[number] = path
        self._number, self._end = number, 0
        return True

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        for number in list(self._paths):
            self.release(number)
