"""Which storage a path or a URL means: told apart here, and nowhere else."""

import os
from pathlib import Path
from urllib.parse import unquote

from clip_prep_cli.errors import UsageError
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.local import LocalStorage
from clip_prep_cli.storage.remote import RemoteStorage
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE
from clip_prep_cli.storage.urls import checked, is_url
from clip_prep_cli.storage.wrappers import Limited, Retrying

_REQUESTS_AT_ONCE = 16


def storage_at(
    name: str | os.PathLike[str] | Storage, patience: float = DEFAULT_PATIENCE
) -> Storage:
    """The directory that a user's path or URL names; `file://` is this machine.

    Raises:
        UsageError: the name is empty, or the URL holds a secret.
    """
    if isinstance(name, Storage):
        return name.with_patience(patience)
    if not isinstance(name, str) or not is_url(name):
        if name == "":
            raise UsageError("The name of a directory is empty.", "Is a variable not set?")
        return LocalStorage(Path(name))
    if name.startswith("file://"):
        return LocalStorage(Path(unquote(name.removeprefix("file://"))))
    return Limited(Retrying(RemoteStorage(checked(name)), patience), _REQUESTS_AT_ONCE)
