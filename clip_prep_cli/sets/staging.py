"""Where the tensor files of a set are made, and how they come to where the set is.

Those of a set on this machine are made in its directory. Those of a set at a URL are made in a
directory of their own, uploaded once they are sealed, and removed here.
"""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clip_prep_cli.common.threads import in_order
from clip_prep_cli.sets.layout import FileSum
from clip_prep_cli.sets.shard import Shard, Unnamed
from clip_prep_cli.storage.durable import storage_error
from clip_prep_cli.storage.location import Location
from clip_prep_cli.storage.lock import Lock, is_held
from clip_prep_cli.storage.remote_path import RemotePath

_PREFIX = "clip-prep-staging-"


@contextmanager
def staging(out: Location, parent: Path | None = None) -> Iterator[Path]:
    """The directory of this machine in which the files of a set are made.

    For a URL it is a new one below `parent`, or where temporary files go; nothing of it stays, and
    if the process is killed, the next one that comes here removes it.

    Raises:
        CannotContinueError: it cannot be made or written to.
    """
    if isinstance(out, Path):
        yield out
        return
    parent = parent or Path(tempfile.gettempdir())
    try:
        _sweep(parent)
        # Nobody may find it before it is locked.
        unnamed = Path(tempfile.mkdtemp(prefix=".clip-prep-", dir=parent))
        lock = Lock(unnamed)
        directory = parent / f"{_PREFIX}{unnamed.name.rpartition('-')[2]}"
        unnamed.rename(directory)
    except OSError as error:
        raise storage_error(error, parent) from error
    try:
        yield directory
    except OSError as error:
        raise storage_error(error, directory) from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        lock.release()


def seal(shard: Shard, kept: Sequence[int], scratch: Path, out: Location) -> dict[str, FileSum]:
    """Make the rows `kept` those of the shard's files, and bring those to where the set is.

    All that is needed can be pickled, so that another machine can do it; the index is not its part.

    Raises:
        OSError: a file cannot be written.
        StoreError: one cannot be uploaded.
    """
    if isinstance(out, Path):
        return shard.seal(kept)
    sealed = shard.seal(kept, durable=False)
    _upload(sealed, scratch, out)
    return sealed


def hand_over(
    shard: Shard, kept: Sequence[int], scratch: Path, out: Location
) -> dict[str, Unnamed]:
    """As `seal`, but for the names, which are left to the process that commits.

    Raises:
        OSError: a file cannot be written.
        StoreError: one cannot be uploaded.
    """
    if isinstance(out, Path):
        return shard.hand_over(kept)
    files = shard.hand_over(kept, durable=False)
    _upload([file.partial for file in files.values()], scratch, out)
    return files


def _upload(names: Collection[str], scratch: Path, out: RemotePath) -> None:
    def upload(name: str) -> None:
        (out / name).upload(scratch / name)

    try:
        for _ in in_order(upload, names, max(2, len(names))):
            pass
    finally:
        for name in names:
            os.unlink(scratch / name)


def _sweep(parent: Path) -> None:
    """Remove what processes have left that were killed."""
    for directory in parent.glob(f"{_PREFIX}*"):
        if not is_held(directory):
            shutil.rmtree(directory, ignore_errors=True)
