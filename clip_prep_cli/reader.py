"""Whole image files into memory, if they are regular and no larger than an image can be."""

import os
from io import FileIO
from stat import S_ISREG

from clip_prep_cli.decode import DecodeError
from clip_prep_cli.fetch import Terms, read_whole
from clip_prep_cli.remote import is_url
from clip_prep_cli.scratch import Scratch

_MAX_BYTES_PER_PIXEL = 8
_SMALL_FILE = 1 << 28
_PATIENCE = 10.0
"""Seconds for a store to answer somebody who waits; the files of a run are fetched elsewhere."""


class Reader:
    """Reads whole files into one buffer."""

    def __init__(self, max_pixels: int) -> None:
        self.most = max(_SMALL_FILE, _MAX_BYTES_PER_PIXEL * max_pixels)
        """Bytes: no image within the limits is larger."""
        self._scratch = Scratch()

    def read(self, path: str) -> tuple[memoryview, int | None]:
        """The bytes of a regular file, valid until the next call, and its mtime in ns.

        Of what is at a URL, only listings know the mtime.

        Raises:
            DecodeError: it cannot be read, or no image within the limits can be that large.
        """
        if is_url(path):
            return memoryview(read_whole(path, Terms(self.most, _PATIENCE))), None
        try:
            # O_NONBLOCK: opening a FIFO that took the file's place must not wait for a writer.
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise DecodeError("unreadable", f"cannot be opened: {error.strerror}") from None
        stat = os.fstat(file)
        if not S_ISREG(stat.st_mode):
            os.close(file)
            raise DecodeError("unreadable", "is not a regular file")
        with open(file, "rb", buffering=0) as source:
            if stat.st_size > self.most:
                detail = f"{stat.st_size} bytes are more than --max-pixels can need"
                raise DecodeError("too_large", detail)
            try:
                return self._fill(source, stat.st_size), stat.st_mtime_ns
            except OSError as error:
                raise DecodeError("unreadable", f"cannot be read: {error.strerror}") from None

    def _fill(self, source: FileIO, size: int) -> memoryview:
        data = self._scratch.take(size)
        done = 0
        while done < size and (count := source.readinto(data[done:])):
            done += count
        return data[:done]
