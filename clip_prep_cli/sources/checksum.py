"""Checksums of sources: files, and parts of files."""

from xxhash import xxh3_128

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.parts import Part, Streamed
from clip_prep_cli.sources.archives.streams import RandomAccess
from clip_prep_cli.sources.files import DEFAULT_WAITING, Waiting, files_of, open_file

UNREADABLE = -1
"""What no content has as its checksum."""

_CHUNK = 1 << 20


def file_xxh128(path: str, size: int, waiting: Waiting = DEFAULT_WAITING) -> int:
    """The xxh3_128 of the first `size` bytes of a file, or UNREADABLE; waits for no FIFO.

    Raises:
        CannotContinueError: it is in a store that does not answer, or refuses.
    """
    digest = xxh3_128()
    try:
        with files_of(path).open(path, waiting) as file:
            while size and (data := file.read(min(size, _CHUNK))):
                digest.update(data)
                size -= len(data)
    except OSError:
        return UNREADABLE
    return digest.intdigest()


def part_xxh128(part: Part | Streamed) -> int:
    """The xxh3_128 of the bytes of a part, or UNREADABLE."""
    digest = xxh3_128()
    try:
        if isinstance(part, Streamed):
            for piece in part.unpacked():
                digest.update(piece)
        else:
            with open_file(part.file) as file:
                for piece in part.unpacked(RandomAccess(file).read_at):
                    digest.update(piece)
    except (ImageError, OSError):
        return UNREADABLE
    return digest.intdigest()
