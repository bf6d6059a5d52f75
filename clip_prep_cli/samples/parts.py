"""Samples that are parts of a file, not files of their own: where their bytes are.

A part is small and goes to the workers; they read it from its file by offset.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from clip_prep_cli.errors import ImageError

ReadAt = Callable[[int, int], bytes]
"""Reads from an offset up to a number of bytes; none at the end of the file."""

LOCAL_HEADER = struct.Struct("<4s5H3I2H")
"""What stands before each member of a zip archive; its name and an extra field follow."""

LOCAL_SIGNATURE = b"PK\x03\x04"

_CHUNK = 1 << 20


class Readable(Protocol):
    """What an archive is read from."""

    @property
    def size(self) -> int | None:
        """How many bytes there are, if that can be known before they are read."""

    def read_at(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on, or as many as there are.

        Raises:
            ImageError: they cannot be read.
        """

    def reaches(self, offset: int) -> bool:
        """Whether the bytes reach up to `offset`.

        Raises:
            ImageError: that cannot be known, since they cannot be read.
        """


class Zipped(NamedTuple):
    """How a member of a zip archive is kept: `packed` bytes behind a header of its own."""

    packed: int
    deflated: bool
    crc: int


class Part(NamedTuple):
    """A sample of `size` bytes at `offset` in `file`; a zipped one has its header there."""

    file: str
    offset: int
    size: int
    stamp: int | None = None
    """The file's mtime in ns when the offset was found; None: the file does not change."""
    zipped: Zipped | None = None

    def unpacked(self, read_at: ReadAt) -> Iterator[bytes]:
        """The sample's bytes, in pieces; `size` bytes in all.

        Raises:
            ImageError: they are not there, or not what they were when they were packed.
            OSError: they cannot be read.
        """
        if self.zipped is None:
            yield from _pieces(read_at, self.offset, self.size)
            return
        begin = self.offset + _header_bytes(read_at(self.offset, LOCAL_HEADER.size))
        pieces = _pieces(read_at, begin, self.zipped.packed)
        if self.zipped.deflated:
            pieces = _inflated(pieces, self.size)
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
            yield piece
        if crc != self.zipped.crc:
            raise ImageError("corrupt", "its bytes do not match the archive's CRC-32")


class Streamed(NamedTuple):
    """A part of what is read once, from front to end; valid until the next one is asked for."""

    stream: Readable
    part: Part

    def raw(self) -> Iterator[bytes]:
        """The part's bytes as they are in its file, the header of a zipped one included.

        Raises:
            ImageError: they cannot be had.
        """
        begin, zipped, read_at = self.part.offset, self.part.zipped, self.stream.read_at
        if zipped is None:
            yield from _pieces(read_at, begin, self.part.size)
            return
        header = read_at(begin, LOCAL_HEADER.size)
        rest = _header_bytes(header) - len(header)
        yield header
        yield from _pieces(read_at, begin + len(header), rest + zipped.packed)

    def unpacked(self) -> Iterator[bytes]:
        """The sample's bytes, in pieces.

        Raises:
            ImageError: they cannot be had.
        """
        return self.part.unpacked(self.stream.read_at)


def _pieces(read_at: ReadAt, offset: int, size: int) -> Iterator[bytes]:
    end = offset + size
    while offset < end:
        piece = read_at(offset, min(_CHUNK, end - offset))
        if not piece:
            raise ImageError("truncated", f"the archive is {end - offset} bytes too short for it")
        yield piece
        offset += len(piece)


def _header_bytes(header: bytes) -> int:
    """How long a local header is, with the name and the extra field that are part of it."""
    if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_SIGNATURE):
        raise ImageError("corrupt", "the archive has no header for it where it should be")
    *_, name, extra = LOCAL_HEADER.unpack(header)
    return LOCAL_HEADER.size + int(name) + int(extra)


def _inflated(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """What deflated `pieces` hold; `size` bytes and no more, whatever they would come to."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left = size
    for packed in pieces:
        rest = packed
        while rest and not inflater.eof:
            try:
                piece = inflater.decompress(rest, left + 1)
            except zlib.error as error:
                raise ImageError("corrupt", f"its compressed data is damaged ({error})") from error
            if len(piece) > left:
                raise ImageError("corrupt", f"it is larger than its declared {size} bytes")
            left -= len(piece)
            rest = inflater.unconsumed_tail
            yield piece
    if left:
        raise ImageError("corrupt", f"{left} of its {size} bytes are missing")
