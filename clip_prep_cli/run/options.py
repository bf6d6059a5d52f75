"""The options of a conversion, and the job that they describe."""

import os
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import TypedDict

from clip_prep_cli.common.cpus import usable_cpus
from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.pixels.models import transforms_of
from clip_prep_cli.run.job import DEFAULT_SLOTS, Job
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.sources.namelist import NameList
from clip_prep_cli.sources.selection import Selection
from clip_prep_cli.storage.location import location_of
from clip_prep_cli.storage.remote_path import RemotePath
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE


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
            transforms=transforms_of(models),
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
