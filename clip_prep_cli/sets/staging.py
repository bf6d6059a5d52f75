"""Where the tensor files of a set are made.

Those of a set on this machine are made in its directory. Those of a set at a URL are made in a
directory of their own, uploaded once they are sealed, and removed here.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_prep_cli.sets.names import LOCK, STAGING
from clip_prep_cli.storage.durable import storage_error
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.lock import DirectoryLock, HeldDirectory


@contextmanager
def staging(out: Storage, parent: Path | None = None) -> Iterator[Path]:
    """The directory of this machine in which the files of a set are made.

    For a URL it is a new one below `parent`, or where temporary files go; nothing of it stays, and
    if the process is killed, the next one that comes here removes it.

    Raises:
        CannotContinueError: it cannot be made or written to.
    """
    if out.here is not None:
        yield out.here
        return
    parent = parent or Path(tempfile.gettempdir())
    try:
        for left in parent.glob(f"{STAGING}*"):  # by processes that were killed
            if not DirectoryLock(left, LOCK).is_held():
                shutil.rmtree(left, ignore_errors=True)
        # Nobody may find it before it is locked.
        unnamed = Path(tempfile.mkdtemp(prefix=".clip-prep-", dir=parent))
        held = HeldDirectory(unnamed, LOCK)
        directory = parent / f"{STAGING}{unnamed.name.rpartition('-')[2]}"
        unnamed.rename(directory)
    except OSError as error:
        raise storage_error(error, parent) from error
    try:
        yield directory
    except OSError as error:
        raise storage_error(error, directory) from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        held.release()
