"""All that runs in a worker process: batches of files in, rows on disk and outcomes out."""

import os
import signal
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from multiprocessing.connection import Connection
from stat import S_ISREG

import numpy as np
import xxhash

from clip_prep_cli.batch import IDLE, Batch, Converted, Outcome, Recipe, Refused, Target
from clip_prep_cli.decode import DecodeError, open_image, prepare_process, reason_of, upright
from clip_prep_cli.durable import pwrite_all
from clip_prep_cli.pixels.normalize import lookup_table
from clip_prep_cli.pixels.pipeline import preprocess

_MAX_BYTES_PER_PIXEL = 16
_SMALL_FILE = 1 << 28


class Converter:
    """Converts batches, one image at a time, in buffers that are made once."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._table = lookup_table(recipe.dtype)
        self._buffers = [np.empty((3, n, n), self._table.dtype) for n in recipe.resolutions]

    def convert(self, batch: Batch, mark: Callable[[int], None]) -> list[Outcome]:
        """Write the rows of `batch`; `mark` is told each row before it is begun.

        Raises:
            OSError: a row cannot be written.
        """
        files = [os.open(target.path, os.O_WRONLY | os.O_CLOEXEC) for target in batch.targets]
        try:
            outcomes = []
            for row, source in zip(batch.rows, batch.sources, strict=True):
                mark(row)
                outcome = self._preprocess(source)
                if isinstance(outcome, Converted):
                    self._write(row, files, batch.targets)
                outcomes.append(outcome)
            return outcomes
        finally:
            for file in files:
                os.close(file)

    def _preprocess(self, path: str) -> Outcome:
        """Fill the buffers with the image's rows."""
        size = mtime_ns = None
        try:
            data, stat = _read(path, self._recipe.max_pixels)
            size, mtime_ns = len(data), stat.st_mtime_ns
            image = open_image(data, self._recipe.max_pixels)
            source = (image.format or "", image.mode, *image.size)
            if self._recipe.exif == "apply":
                image = upright(image)
            digests = {}
            for n_px, buffer in zip(self._recipe.resolutions, self._buffers, strict=True):
                preprocess(image, n_px, self._table, buffer)
                digests[f"{n_px}px"] = xxhash.xxh3_64_hexdigest(buffer.data)
        # Decoders raise whatever they like; one bad image must cost no more than itself.
        except Exception as error:  # noqa: BLE001
            return Refused(*reason_of(error), size, mtime_ns)
        return Converted(size, mtime_ns, xxhash.xxh3_128_hexdigest(data), *source, digests)

    def _write(self, row: int, files: list[int], targets: tuple[Target, ...]) -> None:
        for file, target, buffer in zip(files, targets, self._buffers, strict=True):
            pwrite_all(file, buffer.data.cast("B"), target.offset + row * buffer.nbytes)


def main(connection: Connection, recipe: Recipe, progress: MutableSequence[int]) -> None:
    """The life of a worker: batches from `connection`, outcomes or an OSError back.

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
        while True:
            batch: Batch = connection.recv()
            try:
                answer: list[Outcome] | OSError = converter.convert(batch, mark)
            except OSError as error:
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
