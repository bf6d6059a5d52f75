"""The job: what to convert, into what, where to, and how. Every setting of a run."""

import os
import re
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from clip_prep_cli.archives.archive import is_archive
from clip_prep_cli.cpus import usable_cpus
from clip_prep_cli.errors import UsageError
from clip_prep_cli.limits import DEFAULT_MAX_PIXELS, DEFAULT_SLOTS, DEFAULT_TIMEOUT
from clip_prep_cli.location import Location, location_of
from clip_prep_cli.namelist import NameList
from clip_prep_cli.pixels.models import MODELS, resolutions
from clip_prep_cli.remote.access import DEFAULT_PATIENCE, checked, is_url, place_of
from clip_prep_cli.remote.path import RemotePath
from clip_prep_cli.selection import Selection
from clip_prep_cli.settings import SetSettings
from clip_prep_cli.shards import ITEM_BYTES


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
            ("dtype", settings.dtype, tuple(ITEM_BYTES)),
            ("format", settings.format, ("npy", "pt")),
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
        if self.settings.format == "npy" and self.settings.dtype == "bfloat16":
            raise UsageError(
                "NumPy has no bfloat16, so --format npy cannot hold it.",
                "Take --format pt, or --dtype float16.",
            )
        if self.settings.format == "pt" and find_spec("torch") is None:
            raise UsageError(
                "--format pt needs PyTorch, which is not installed.",
                "Install it with `pip install 'clip-prep-cli[torch]'`, or take --format npy.",
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


class ConvertOptions(TypedDict, total=False):
    """What may be said of a job beyond inputs, model and output; as for `clip-prep convert`."""

    format: str
    dtype: str
    shard_size: int
    exif: str
    staging: str | os.PathLike[str] | None
    workers: int | None
    files_from: str | None
    null: bool
    include: Iterable[str]
    exclude: Iterable[str]
    hidden: bool
    follow_links: bool
    max_pixels: int
    timeout: float
    retry_for: float
    fail_fast: bool
    checksum: bool
    prune: bool
    retry_failed: bool
    overwrite: bool
    resize: str
    executor: str | Executor
    scheduler: str | None
    slots: int


DEFAULTS = ConvertOptions(
    format="npy",
    dtype="float32",
    shard_size=1024,
    exif="ignore",
    staging=None,
    workers=None,
    files_from=None,
    null=False,
    include=(),
    exclude=(),
    hidden=False,
    follow_links=False,
    max_pixels=DEFAULT_MAX_PIXELS,
    timeout=DEFAULT_TIMEOUT,
    retry_for=DEFAULT_PATIENCE,
    fail_fast=False,
    checksum=False,
    prune=False,
    retry_failed=False,
    overwrite=False,
    resize="native",
    executor="local",
    scheduler=None,
    slots=DEFAULT_SLOTS,
)


def make_job(
    inputs: Iterable[str | os.PathLike[str]],
    models: Iterable[str],
    out: str | os.PathLike[str] | RemotePath,
    options: ConvertOptions,
) -> Job:
    """The job with these options, and `DEFAULTS` for the others.

    Raises:
        UsageError: they contradict each other or what is on disk, or there is no such model.
        TypeError: there is no such option.
    """
    if unknown := set(options) - set(DEFAULTS):
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
    given: ConvertOptions = {**DEFAULTS, **options}
    file = given["files_from"]
    if given["null"] and not file:
        raise UsageError("-0 is about --files-from.", "Name the list, or leave it out.")
    return Job(
        inputs=tuple(os.fspath(name) for name in inputs),
        out=location_of(out, given["retry_for"]),
        settings=SetSettings(
            resolutions=_resolutions(models),
            dtype=given["dtype"],
            format=given["format"],
            shard_size=given["shard_size"],
            exif=given["exif"],
        ),
        workers=_workers(given) if given["workers"] is None else given["workers"],
        staging=Path(given["staging"]) if given["staging"] else None,
        files_from=NameList(file, given["null"]) if file else None,
        selection=Selection(
            include=tuple(given["include"]),
            exclude=tuple(given["exclude"]),
            hidden=given["hidden"],
            follow_links=given["follow_links"],
        ),
        max_pixels=given["max_pixels"],
        timeout=given["timeout"],
        retry_for=given["retry_for"],
        fail_fast=given["fail_fast"],
        checksum=given["checksum"],
        prune=given["prune"],
        retry_failed=given["retry_failed"],
        overwrite=given["overwrite"],
        resize=given["resize"],
        executor=given["executor"],
        scheduler=given["scheduler"],
        slots=given["slots"],
    )


def _workers(given: ConvertOptions) -> int:
    """All CPUs that are there; if tasks run elsewhere, one for each, as many as there are slots."""
    here = given["executor"] in ("local", "dask") and given["scheduler"] is None
    return usable_cpus() if here else 1


def _resolutions(models: Iterable[str]) -> tuple[int, ...]:
    try:
        return resolutions(models)
    except KeyError as error:
        raise UsageError(
            f"{error.args[0]!r} is not a model.", f"The models are {', '.join(MODELS)}."
        ) from error


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
