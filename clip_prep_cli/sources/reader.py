"""Whole images into memory, if they are in regular files and no larger than an image can be."""

import os

from clip_prep_cli.errors import ImageError
from clip_prep_cli.pixels.limits import check_size, most_bytes
from clip_prep_cli.pixels.memory import Scratch
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.sources.archives.streams import RandomAccess
from clip_prep_cli.sources.files import files_of, open_image


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
            return self._unpack(source), None
        return files_of(source).read(source, self.most, self._scratch.take)

    def _unpack(self, part: Part) -> memoryview:
        check_size(part.size, self.most)
        data = self._scratch.take(part.size)
        done = 0
        with open_image(part.file) as file:
            for piece in part.unpacked(RandomAccess(file).read_at):
                data[done : done + len(piece)] = piece
                done += len(piece)
            # What was there by now may be another image, or half of one and half of another.
            if part.stamp not in (None, os.fstat(file.fileno()).st_mtime_ns):
                raise ImageError("unreadable", "the archive has changed since it was listed")
        return data
