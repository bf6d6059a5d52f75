"""Bytes of an archive by offset: of a file that can be read anywhere, or of a stream, forwards."""

from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO

from clip_prep_cli.errors import ImageError
from clip_prep_cli.storage.retry import unreadable


class RandomAccess:
    """A file that can be read at any offset."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read_at(self, offset: int, size: int) -> bytes:
        """See `Readable`."""
        try:
            self._file.seek(offset)
            data = self._file.read(size)
            while len(data) < size and (more := self._file.read(size - len(data))):
                data += more
        except OSError as error:
            raise unreadable(error) from error
        return data

    def reaches(self, offset: int) -> bool:
        """See `Readable`."""
        return offset <= self.size

    @cached_property
    def size(self) -> int:
        """How long the file is.

        Raises:
            ImageError: that cannot be known.
        """
        try:
            return self._file.seek(0, 2)
        except OSError as error:
            raise unreadable(error) from error


class ForwardStream:
    """Bytes that come one after the other, whatever the offset; what was passed is gone.

    It remembers what went wrong: from there on nothing else comes.
    """

    size = None

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")
        self._position = 0
        self._damage: ImageError | None = None

    def read_at(self, offset: int, size: int) -> bytes:
        """See `Readable`; `offset` is not before what has been read."""
        self.reaches(offset)
        taken = []
        while size > 0 and self._has_piece():
            taken.append(self._take(size))
            size -= len(taken[-1])
        return b"".join(taken)

    def reaches(self, offset: int) -> bool:
        """See `Readable`; what comes before is gone then."""
        while (skipped := offset - self._position) > 0 and self._has_piece():
            self._take(skipped)
        return self._position >= offset

    def _take(self, at_most: int) -> memoryview:
        taken, self._piece = self._piece[:at_most], self._piece[at_most:]
        self._position += len(taken)
        return taken

    def _has_piece(self) -> bool:
        if self._damage:
            raise self._damage
        try:
            while not self._piece:
                self._piece = memoryview(next(self._pieces))
        except StopIteration:
            return False
        except ImageError as damage:
            self._damage = damage
            raise
        except OSError as error:
            self._damage = unreadable(error)
            raise self._damage from error
        return True
