"""The job: what to convert, into what, where to, and how. Every setting of a run."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from clip_prep_cli.cpus import usable_cpus
from clip_prep_cli.errors import UsageError
from clip_prep_cli.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.namelist import NameList
from clip_prep_cli.pixels.models import MODELS, resolutions
from clip_prep_cli.selection import Selection
from clip_prep_cli.settings import SetSettings
from clip_prep_cli.shards import ITEM_BYTES


@dataclass(frozen=True)
class Job:
    """A checked set of settings; all paths are as the user named them.

    Raises:
        UsageError: the settings contradict each other or what is on disk.
    """

    inputs: tuple[str, ...]
    """Directories, archives and image files."""
    out: Path
    settings: SetSettings
    workers: int
    files_from: NameList | None = None
    """Further inputs; relative names are against the current directory."""
    selection: Selection = field(default_factory=Selection)
    max_pixels: int = DEFAULT_MAX_PIXELS
    timeout: float = DEFAULT_TIMEOUT
    fail_fast: bool = False
    checksum: bool = False
    prune: bool = False
    retry_failed: bool = False
    overwrite: bool = False
    resize: str = "native"

    def __post_init__(self) -> None:
        self._check_values()
        self._check_tensors()
        self._check_paths()

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
        ):
            if not number >= least:  # as nan is not
                raise UsageError(f"{name} is {number}.", f"It must be at least {least}.")

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
        out = os.path.realpath(self.out)
        for name in self.inputs:
            if not os.path.exists(name):
                raise UsageError(f"The input {name} does not exist.", "Check the path.")
            if os.path.isdir(name) and _within(out, os.path.realpath(name)):
                raise UsageError(
                    f"The output {self.out} lies inside the input {name}, and would be walked.",
                    "Take an --out beside the inputs.",
                )
        if self.out.exists() and not self.out.is_dir():
            raise UsageError(f"The output {self.out} is a file.", "Take a directory as --out.")


class ConvertOptions(TypedDict, total=False):
    """What may be said of a job beyond inputs, model and output; as for `clip-prep convert`."""

    format: str
    dtype: str
    shard_size: int
    exif: str
    workers: int | None
    files_from: str | None
    null: bool
    include: Iterable[str]
    exclude: Iterable[str]
    hidden: bool
    follow_links: bool
    max_pixels: int
    timeout: float
    fail_fast: bool
    checksum: bool
    prune: bool
    retry_failed: bool
    overwrite: bool
    resize: str


DEFAULTS = ConvertOptions(
    format="npy",
    dtype="float32",
    shard_size=1024,
    exif="ignore",
    workers=None,
    files_from=None,
    null=False,
    include=(),
    exclude=(),
    hidden=False,
    follow_links=False,
    max_pixels=DEFAULT_MAX_PIXELS,
    timeout=DEFAULT_TIMEOUT,
    fail_fast=False,
    checksum=False,
    prune=False,
    retry_failed=False,
    overwrite=False,
    resize="native",
)


def make_job(
    inputs: Iterable[str | os.PathLike[str]],
    models: Iterable[str],
    out: str | os.PathLike[str],
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
        out=Path(out),
        settings=SetSettings(
            resolutions=_resolutions(models),
            dtype=given["dtype"],
            format=given["format"],
            shard_size=given["shard_size"],
            exif=given["exif"],
        ),
        workers=usable_cpus() if given["workers"] is None else given["workers"],
        files_from=NameList(file, given["null"]) if file else None,
        selection=Selection(
            include=tuple(given["include"]),
            exclude=tuple(given["exclude"]),
            hidden=given["hidden"],
            follow_links=given["follow_links"],
        ),
        max_pixels=given["max_pixels"],
        timeout=given["timeout"],
        fail_fast=given["fail_fast"],
        checksum=given["checksum"],
        prune=given["prune"],
        retry_failed=given["retry_failed"],
        overwrite=given["overwrite"],
        resize=given["resize"],
    )


def _resolutions(models: Iterable[str]) -> tuple[int, ...]:
    try:
        return resolutions(models)
    except KeyError as error:
        raise UsageError(
            f"{error.args[0]!r} is not a model.", f"The models are {', '.join(MODELS)}."
        ) from error


def _within(path: str, directory: str) -> bool:
    return os.path.commonpath((path, directory)) == directory
