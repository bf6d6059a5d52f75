"""All that runs in a worker process: batches of files in, rows on disk and outcomes out."""

import fcntl
import gc
import os
from collections.abc import Callable, MutableSequence
from contextlib import ExitStack, suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread

import xxhash

from clip_prep_cli.errors import CannotContinueError
from clip_prep_cli.pixels.decode import Decoder, prepare_process, reason_of
from clip_prep_cli.pixels.memory import keep_freed_memory
from clip_prep_cli.pixels.native import best_kernel, resize_backend
from clip_prep_cli.pixels.pipeline import Pipeline
from clip_prep_cli.pixels.versions import pixel_versions
from clip_prep_cli.samples.parts import Part
from clip_prep_cli.sources.files import files_of
from clip_prep_cli.sources.reader import Reader
from clip_prep_cli.storage.fetch import FetchedFiles, Fetcher, ReadLimits
from clip_prep_cli.workers.batch import (
    IDLE,
    Batch,
    Converted,
    Outcome,
    Recipe,
    Refused,
    RowNotWrittenError,
)
from clip_prep_cli.workers.row_writer import RowWriter, open_target


class Converter:
    """Converts batches, one image at a time, in buffers that are made once."""

    def __init__(self, recipe: Recipe, should_stop: Callable[[], bool] = lambda: False) -> None:
        self.kernel = best_kernel() if recipe.resize == "native" else None
        self._reader = Reader(recipe.max_pixels)
        self._fetcher = Fetcher(ReadLimits(self._reader.most, recipe.patience, should_stop))
        self._decoder = Decoder(recipe.max_pixels, recipe.exif, recipe.jpeg, recipe.reference)
        self._pipelines = [
            Pipeline(transform, recipe.dtype, recipe.reference, self.kernel)
            for transform in recipe.transforms
        ]
        self._writers = [RowWriter(each.shape, each.table.dtype) for each in self._pipelines]

    def announce(self, batch: Batch) -> FetchedFiles:
        """Begin to read what is not on this machine, for `convert`."""
        files = (each if isinstance(each, str) else "" for each in batch.sources)
        return self._fetcher.announce([None if files_of(each).in_place else each for each in files])

    def convert(
        self, batch: Batch, mark: Callable[[int], None], coming: FetchedFiles | None = None
    ) -> list[Outcome]:
        """Write the rows of `batch`; `mark` is told each row as it is begun, and IDLE.

        Raises:
            RowNotWrittenError: a target cannot be written.
            CannotContinueError: a store does not answer, or refuses.
        """
        coming = coming or self.announce(batch)
        with ExitStack() as stack:
            stack.callback(coming.close)
            files = []
            for writer, target in zip(self._writers, batch.targets, strict=bool(batch.targets)):
                file = open_target(target.path, writer.row_bytes)
                stack.callback(os.close, file)
                stack.callback(writer.finish)
                files.append((file, target.offset))
            outcomes = []
            for number, (row, source) in enumerate(zip(batch.rows, batch.sources, strict=True)):
                content = coming.wait(number)  # nor is what a network takes
                mark(row)
                outcomes.append(self._convert_one(source, content))
                mark(IDLE)  # what the disk takes is not held against the image
                if isinstance(outcomes[-1], Converted) and files:
                    for writer, (file, offset) in zip(self._writers, files, strict=True):
                        writer.write(file, offset + row * writer.row_bytes)
        return outcomes

    def _convert_one(self, source: str | Part, content: bytes | Exception | None) -> Outcome:
        """Fill the buffer of each writer; `content` is that of a file which was fetched."""
        size = mtime_ns = None
        try:
            if isinstance(content, Exception):
                raise content  # noqa: TRY301 - it fails as if it had been read here
            if content is None:
                data, mtime_ns = self._reader.read(source)
            else:
                data = memoryview(content)
            size = len(data)
            image = self._decoder.decode(data)
            digests = []
            for pipeline, writer in zip(self._pipelines, self._writers, strict=True):
                buffer = writer.buffer()
                pipeline.fill(image.pixels, buffer)
                digests.append(xxhash.xxh3_64_hexdigest(buffer.data))
        # Decoders raise whatever they like; one bad image must cost no more than itself.
        except Exception as error:  # noqa: BLE001
            reason, detail = reason_of(error)
            return Refused(reason, detail, size, mtime_ns)
        return Converted(
            size=size,
            mtime_ns=mtime_ns,
            xxh128=xxhash.xxh3_128_hexdigest(data),
            format=image.format,
            mode=image.mode,
            width=image.width,
            height=image.height,
            rows=tuple(digests),
        )


def main(connection: Connection, recipe: Recipe, progress: MutableSequence[int]) -> None:
    """The life of a worker: its versions, then batches from `connection` and outcomes back.

    `progress` is shared with the parent: the row that the worker is on, and a count that moves
    with every row, so that the parent knows what it was on when it hangs or dies; and from the
    parent, whether to wait for the network no more.
    """
    _die_with_parent()
    # The libraries inside Pillow complain on stderr; the failure record has what matters.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    prepare_process(recipe.max_pixels, recipe.transforms)
    keep_freed_memory()
    converter = Converter(recipe, lambda: bool(progress[2]))
    gc.freeze()  # what was imported is here to stay; collections need not look at it each time

    def mark(row: int) -> None:
        progress[0] = row
        progress[1] += 1

    work: SimpleQueue[tuple[Batch, FetchedFiles] | None] = SimpleQueue()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        connection.send(pixel_versions(resize_backend(converter.kernel)))
        Thread(target=_receive, args=(connection, converter, work), daemon=True).start()
        while received := work.get():
            batch, coming = received
            try:
                answer: list[Outcome] | RowNotWrittenError | CannotContinueError
                answer = converter.convert(batch, mark, coming)
            except (RowNotWrittenError, CannotContinueError) as error:
                answer = error
            connection.send(answer)


def _receive(
    connection: Connection,
    converter: Converter,
    work: "SimpleQueue[tuple[Batch, FetchedFiles] | None]",
) -> None:
    """Take in batches as they come, so that the files of the next one are read during this one."""
    with suppress(EOFError, OSError):
        while True:
            batch: Batch = connection.recv()
            work.put((batch, converter.announce(batch)))
    work.put(None)


def _die_with_parent() -> None:
    """Have the system end this process when the run is killed: stuck in C, it could not notice.

    The end of the pipe from the parent raises SIGIO, of which the default is to terminate.
    """
    if parent := parent_process():
        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, os.O_ASYNC)
