"""Whole images into memory, if they are in regular files and no larger than an image can be."""

import os
from functools import partial
from io import FileIO
from stat import S_ISREG

from clip_prep_cli.errors import ImageError
from clip_prep_cli.pixels.limits import most_bytes
from clip_prep_cli.pixels.memory import Scratch
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.storage.fetch import Terms, read_whole
from clip_prep_cli.storage.urls import is_url

_PATIENCE = 10.0
"""Seconds for a store to answer somebody who waits; the files of a run are fetched elsewhere."""


class Reader:
    """Reads whole images into one buffer."""

    def __init__(self, max_pixels: int) -> None:
        self.most = most_bytes(max_pixels)
        """Bytes: no image within the limits is larger."""
        self._scratch = Scratch()

    def read(self, source: str | Part) -> tuple[memoryview, int | None]:
        """The bytes of a file or of a part of one, valid until the next call.

        With the mtime in ns of a file here; those of others only their listing knows.

        Raises:
            ImageError: it cannot be read, or no image within the limits can be that large.
        """
        if isinstance(source, Part):
            self._limit(source.size)
            with _opened(source.file) as file:
                return self._unpack(source, file), None
        if is_url(source):
            return memoryview(read_whole(source, Terms(self.most, _PATIENCE))), None
        with _opened(source) as file:
            stat = os.fstat(file.fileno())
            self._limit(stat.st_size)
            try:
                return self._fill(file, stat.st_size), stat.st_mtime_ns
            except OSError as error:
                raise _unreadable(error) from None

    def _limit(self, size: int) -> None:
        if size > self.most:
            raise ImageError("too_large", f"{size} bytes is more than --max-pixels can need")

    def _fill(self, source: FileIO, size: int) -> memoryview:
        data = self._scratch.take(size)
        done = 0
        while done < size and (count := source.readinto(data[done:])):
            done += count
        return data[:done]

    def _unpack(self, part: Part, file: FileIO) -> memoryview:
        read_at = partial(_read_at, file.fileno())
        data = self._scratch.take(part.size)
        done = 0
        try:
            for piece in part.unpacked(read_at):
                data[done : done + len(piece)] = piece
                done += len(piece)
        except ImageError as damage:
            raise ImageError(damage.reason, damage.detail) from None
        except OSError as error:
            raise _unreadable(error) from None
        # What was there by now may be another image, or half of one and half of another.
        if part.stamp not in (None, os.fstat(file.fileno()).st_mtime_ns):
            raise ImageError("unreadable", "the archive has changed since it was listed")
        return data


def _opened(path: str) -> FileIO:
    try:
        # O_NONBLOCK: opening a FIFO that took the file's place must not wait for a writer.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ImageError("unreadable", f"cannot be opened: {error.strerror}") from None
    if not S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise ImageError("unreadable", "is not a regular file")
    return open(file, "rb", buffering=0)


def _read_at(file: int, offset: int, size: int) -> bytes:
    return os.pread(file, size, offset)


def _unreadable(error: OSError) -> ImageError:
    return ImageError("unreadable", f"cannot be read: {error.strerror}")
