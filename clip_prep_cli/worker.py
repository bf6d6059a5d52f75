"""All that runs in a worker process: batches of files in, rows on disk and outcomes out."""

import gc
import os
import signal
from collections.abc import Callable, MutableSequence, Sequence
from contextlib import ExitStack, suppress
from io import FileIO
from multiprocessing.connection import Connection
from stat import S_ISREG

import xxhash

from clip_prep_cli.batch import (
    IDLE,
    Batch,
    Converted,
    Outcome,
    Recipe,
    Refused,
    RowNotWrittenError,
)
from clip_prep_cli.decode import DecodeError, Decoder, prepare_process, reason_of
from clip_prep_cli.pixels.native import best_kernel, resize_backend
from clip_prep_cli.pixels.normalize import lookup_table
from clip_prep_cli.pixels.pipeline import preprocess
from clip_prep_cli.rows import RowWriter, open_target
from clip_prep_cli.scratch import Scratch, keep_freed_memory
from clip_prep_cli.versions import pixel_versions

_MAX_BYTES_PER_PIXEL = 16
_SMALL_FILE = 1 << 28


class Converter:
    """Converts batches, one image at a time, in buffers that are made once."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.kernel = best_kernel() if recipe.resize == "native" else None
        self._reader = _Reader(recipe.max_pixels)
        self._decoder = Decoder(recipe.max_pixels, recipe.exif)
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
            data, mtime_ns = self._reader.read(path)
            size = len(data)
            image = self._decoder.decode(data)
            digests = {}
            for n_px, (writer, file, offset) in zip(self._recipe.resolutions, places, strict=True):
                buffer = writer.buffer()
                preprocess(image.pixels, n_px, self._table, buffer, self.kernel)
                digests[f"{n_px}px"] = xxhash.xxh3_64_hexdigest(buffer.data)
                writer.write(file, offset + row * writer.row_bytes)
        # Decoders raise whatever they like; one bad image must cost no more than itself.
        except Exception as error:  # noqa: BLE001
            return Refused(*reason_of(error), size, mtime_ns)
        return Converted(size, mtime_ns, xxhash.xxh3_128_hexdigest(data), *image[:4], digests)


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
    keep_freed_memory()
    converter = Converter(recipe)
    gc.freeze()  # what was imported is here to stay; collections need not look at it each time

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


class _Reader:
    """Reads whole files into one buffer."""

    def __init__(self, max_pixels: int) -> None:
        self._most = max(_SMALL_FILE, _MAX_BYTES_PER_PIXEL * max_pixels)
        self._scratch = Scratch()

    def read(self, path: str) -> tuple[memoryview, int]:
        """The bytes of a regular file, valid until the next call, and its mtime in ns.

        Raises:
            DecodeError: it cannot be read, or no image within the limits can be that large.
        """
        try:
            # O_NONBLOCK: opening a FIFO that took the file's place must not wait for a writer.
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise DecodeError("unreadable", f"cannot be opened: {error.strerror}") from None
        with open(file, "rb", buffering=0) as source:
            stat = os.fstat(file)
            if not S_ISREG(stat.st_mode):
                raise DecodeError("unreadable", "is not a regular file")
            if stat.st_size > self._most:
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
