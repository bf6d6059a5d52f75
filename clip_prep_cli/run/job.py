"""The job: what to convert, into what, where to, and how. Every setting of a run."""

import os
import re
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.dtypes import ITEM_DTYPE
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.sets.tensor_files import FORMATS
from clip_prep_cli.sources.archives.archive import is_archive
from clip_prep_cli.sources.namelist import NameList
from clip_prep_cli.sources.selection import Selection
from clip_prep_cli.storage.location import Location
from clip_prep_cli.storage.remote_path import RemotePath
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE
from clip_prep_cli.storage.stores import place_of
from clip_prep_cli.storage.urls import checked, is_url

DEFAULT_SLOTS = 64
"""Tasks that an executor is taken to run at once if nobody says how many it can."""


@dataclass(frozen=True)
class Job:
    """A checked set of settings; all paths are as the user named them.

    Raises:
        UsageError: the settings contradict each other or what is on disk.
        CannotContinueError: a package that a URL needs is not installed.
    """

    inputs: tuple[str, ...]
    """Directories, archives and image files, here or at URLs."""
    out: Location
    settings: SetSettings
    workers: int
    """Worker processes; if tasks run elsewhere, those of one task."""
    staging: Path | None = None
    """Where the shards of a set at a URL are built; None: where temporary files go."""
    files_from: NameList | None = None
    """Further inputs; relative names are against the current directory."""
    selection: Selection = field(default_factory=Selection)
    max_pixels: int = DEFAULT_MAX_PIXELS
    timeout: float = DEFAULT_TIMEOUT
    retry_for: float = DEFAULT_PATIENCE
    fail_fast: bool = False
    checksum: bool = False
    prune: bool = False
    retry_failed: bool = False
    overwrite: bool = False
    resize: str = "native"
    executor: str | Executor = "local"
    scheduler: str | None = None
    """The address of a Dask scheduler; without one, there is to be a cluster on this machine."""
    slots: int = DEFAULT_SLOTS
    """Tasks that an executor can run at once, if it cannot be asked."""

    def __post_init__(self) -> None:
        self._check_values()
        self._check_executor()
        self._check_tensors()
        self._check_paths()
        self._check_output()

    def _check_values(self) -> None:
        settings = self.settings
        for name, value, allowed in (
            ("dtype", settings.dtype, tuple(ITEM_DTYPE)),
            ("format", settings.format, tuple(FORMATS)),
            ("exif", settings.exif, ("ignore", "apply")),
            ("resize", self.resize, ("native", "pillow")),
        ):
            if value not in allowed:
                raise UsageError(f"{name} is {value!r}.", f"It can be {', '.join(allowed)}.")
        for name, number, least in (
            ("shard_size", settings.shard_size, 1),
            ("workers", self.workers, 1),
            ("max_pixels", self.max_pixels, 1),
            ("timeout", self.timeout, 0),
            ("retry_for", self.retry_for, 0),
            ("slots", self.slots, 1),
        ):
            if not number >= least:  # as nan is not
                raise UsageError(f"{name} is {number}.", f"It must be at least {least}.")

    def _check_executor(self) -> None:
        if self.executor not in ("local", "dask") and not isinstance(self.executor, Executor):
            raise UsageError(
                f"executor is {self.executor!r}.",
                "It can be local, dask, or, from Python, a concurrent.futures.Executor.",
            )
        if self.scheduler is not None and self.executor != "dask":
            raise UsageError("--scheduler is about Dask.", "Add --executor dask, or leave it out.")

    def _check_tensors(self) -> None:
        dtype, wanted = self.settings.dtype, FORMATS[self.settings.format]
        if dtype not in wanted.dtypes:
            able = ", ".join(name for name, other in FORMATS.items() if dtype in other.dtypes)
            raise UsageError(
                f"--format {wanted.name} cannot hold {dtype}.",
                f"Use --format {able}, or --dtype {', '.join(wanted.dtypes)}.",
            )
        if wanted.package and find_spec(wanted.package) is None:
            raise UsageError(
                f"--format {wanted.name} needs {wanted.package}, which is not installed.",
                f"Install it with `pip install 'clip-prep-cli[{wanted.package}]'`, "
                "or use another --format.",
            )

    def _check_paths(self) -> None:
        if not self.inputs and not self.files_from:
            raise UsageError(
                "There is no input.", "Name directories or image files, or a list by --files-from."
            )
        for name in self.inputs:
            if is_url(name):
                place_of(checked(name))  # what is there is for the run to find out
                continue
            if not os.path.exists(name):
                raise UsageError(f"The input {name} does not exist.", _instead_of(name))
            if self._would_walk_output(name):
                raise UsageError(
                    f"The output {self.out} lies inside the input {name}, and would be walked.",
                    "Take an --out beside the inputs.",
                )

    def _check_output(self) -> None:
        if isinstance(self.out, RemotePath):
            if self.out.scheme in ("http", "https"):
                raise UsageError(
                    f"Nothing can be written to {self.out}.", "Take s3://, gs:// or the like."
                )
        elif not self.out.exists() and (url := _almost_url(str(self.out))):
            raise UsageError(
                f"The output {self.out} is no URL.",
                f"Was {url} meant? Else write {self.out.absolute()}.",
            )
        elif self.out.exists() and not self.out.is_dir():
            raise UsageError(f"The output {self.out} is a file.", "Take a directory as --out.")
        elif self.staging:
            raise UsageError(
                f"--staging is for an output at a URL, and {self.out} is none.", "Leave it out."
            )

    def _would_walk_output(self, name: str) -> bool:
        if isinstance(self.out, RemotePath):
            return f"{self.out.url}/".startswith(f"{name.rstrip('/')}/")
        directory = os.path.isdir(name)
        return directory and _within(os.path.realpath(self.out), os.path.realpath(name))


def _almost_url(name: str) -> str | None:
    """The URL that a name was perhaps meant to be."""
    typo = re.fullmatch(r"(s3|gs|gcs|https?):?/+(.+)|(s3|gs):(.+)", name, re.IGNORECASE)
    return typo and f"{(typo[1] or typo[3]).lower()}://{typo[2] or typo[4]}"


def _instead_of(name: str) -> str:
    """What somebody may have meant who named something that is not there."""
    if url := _almost_url(name):
        return f"Was {url} meant?"
    names = name.split("/")
    for count in range(1, len(names)):
        archive = "/".join(names[:count])
        if is_archive(archive) and os.path.isfile(archive):
            return f"Name the archive, {archive}, and the images in it by --include."
    return "Check the path."


def _within(path: str, directory: str) -> bool:
    return os.path.commonpath((path, directory)) == directory
