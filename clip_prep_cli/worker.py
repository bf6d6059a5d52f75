"""All that runs in a worker process: batches of files in, rows on disk and outcomes out."""

import os
import signal
from collections.abc import Callable, MutableSequence, Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from stat import S_ISREG

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.batch import (
    IDLE,
    Batch,
    Converted,
    Outcome,
    Recipe,
    Refused,
    RowNotWrittenError,
)
from clip_prep_cli.decode import (
    DecodeError,
    is_turned,
    open_image,
    prepare_process,
    reason_of,
    upright,
)
from clip_prep_cli.jpeg import JpegDecoder
from clip_prep_cli.pixels.native import best_kernel, resize_backend
from clip_prep_cli.pixels.normalize import lookup_table
from clip_prep_cli.pixels.pipeline import as_pixels, preprocess
from clip_prep_cli.rows import RowWriter, open_target
from clip_prep_cli.versions import pixel_versions

_MAX_BYTES_PER_PIXEL = 16
_SMALL_FILE = 1 << 28


class Converter:
    """Converts batches, one image at a time, in buffers that are made once."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.kernel = best_kernel() if recipe.resize == "native" else None
        self._jpeg = JpegDecoder()
        self._table = lookup_table(recipe.dtype)
        self._writers = [RowWriter((3, n, n), self._table.dtype) for n in recipe.resolutions]

    def convert(self, batch: Batch, mark: Callable[[int], None]) -> list[Outcome]:
        """Write the rows of `batch`; `mark` is told each row before it is begun.

        Raises:
            RowNotWrittenError: a target cannot be written.
        """
        with ExitStack() as stack:
            places = []
            for writer, target in zip(self._writers, batch.targets, strict=True):
                file = open_target(target.path, writer.row_bytes)
                stack.callback(os.close, file)
                stack.callback(writer.finish)
                places.append((writer, file, target.offset))
            outcomes = []
            for row, source in zip(batch.rows, batch.sources, strict=True):
                mark(row)
                outcomes.append(self._convert_one(source, row, places))
        return outcomes

    def _convert_one(
        self, path: str, row: int, places: Sequence[tuple[RowWriter, int, int]]
    ) -> Outcome:
        size = mtime_ns = None
        try:
            data, stat = _read(path, self._recipe.max_pixels)
            size, mtime_ns = len(data), stat.st_mtime_ns
            header = open_image(data, self._recipe.max_pixels)
            source = (header.format or "", header.mode, *header.size)
            pixels = self._decode(data, header)
            digests = {}
            for n_px, (writer, file, offset) in zip(self._recipe.resolutions, places, strict=True):
                buffer = writer.buffer()
                preprocess(pixels, n_px, self._table, buffer, self.kernel)
                digests[f"{n_px}px"] = xxhash.xxh3_64_hexdigest(buffer.data)
                writer.write(file, offset + row * writer.row_bytes)
        # Decoders raise whatever they like; one bad image must cost no more than itself.
        except Exception as error:  # noqa: BLE001
            return Refused(*reason_of(error), size, mtime_ns)
        return Converted(size, mtime_ns, xxhash.xxh3_128_hexdigest(data), *source, digests)

    def _decode(self, data: bytes, header: Image.Image) -> Image.Image | NDArray[np.uint8]:
        if self._recipe.exif == "apply" and is_turned(header):
            return as_pixels(upright(header))
        pixels = self._jpeg.decode(data, header)
        return as_pixels(header) if pixels is None else pixels


def main(connection: Connection, recipe: Recipe, progress: MutableSequence[int]) -> None:
    """The life of a worker: its versions, then batches from `connection` and outcomes back.

    `progress` is shared with the parent: the row that the worker is on, and a count that moves
    with every row, so that the parent knows what it was on when it hangs or dies.
    """
    # A signal to the whole process group is for the parent, which lets the batch be finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The libraries inside Pillow complain on stderr; the failure record has what matters.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    prepare_process(recipe.max_pixels)
    converter = Converter(recipe)

    def mark(row: int) -> None:
        progress[0] = row
        progress[1] += 1

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        connection.send(pixel_versions(resize_backend(converter.kernel)))
        while True:
            batch: Batch = connection.recv()
            try:
                answer: list[Outcome] | RowNotWrittenError = converter.convert(batch, mark)
            except RowNotWrittenError as error:
                answer = error
            mark(IDLE)
            connection.send(answer)


def _read(path: str, max_pixels: int) -> tuple[bytes, os.stat_result]:
    """The bytes of a regular file that can be an image of `max_pixels`, and its stat."""
    try:
        # O_NONBLOCK: opening a FIFO that took the file's place must not wait for a writer.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise DecodeError("unreadable", f"cannot be opened: {error.strerror}") from None
    with open(file, "rb", buffering=0) as source:
        stat = os.fstat(file)
        if not S_ISREG(stat.st_mode):
            raise DecodeError("unreadable", "is not a regular file")
        if stat.st_size > max(_SMALL_FILE, _MAX_BYTES_PER_PIXEL * max_pixels):
            detail = f"{stat.st_size} bytes are more than --max-pixels can need"
            raise DecodeError("too_large", detail)
        try:
            return source.readall(), stat
        except OSError as error:
            raise DecodeError("unreadable", f"cannot be read: {error.strerror}") from None
