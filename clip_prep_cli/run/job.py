"""The job: what to convert, into what, where to, and how. Every setting of a run."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from clip_prep_cli.common.cpus import usable_cpus
from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.models import transforms_of
from clip_prep_cli.run.options import ConvertOptions, completed
from clip_prep_cli.samples.roots import is_within
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.sets.tensor_files import FORMATS
from clip_prep_cli.sources.archives.kinds import is_archive
from clip_prep_cli.sources.files import STORES, files_of
from clip_prep_cli.sources.namelist import NameList
from clip_prep_cli.sources.selection import Selection
from clip_prep_cli.storage.interface import Storage
from clip_prep_cli.storage.location import storage_at
from clip_prep_cli.storage.stores import place_of


@dataclass(frozen=True)
class Job:
    """A checked set of settings; all paths are as the user named them. See `make_job`.

    Raises:
        UsageError: the settings contradict each other or what is on disk.
        CannotContinueError: a package that a URL needs is not installed.
    """

    inputs: tuple[str, ...]
    """Directories, archives and image files, here or at URLs."""
    out: Storage
    settings: SetSettings
    """What the bytes of the set depend on."""
    options: ConvertOptions
    """All of them, each with a valid value."""

    def __post_init__(self) -> None:
        self._check_options()
        self._check_tensors()
        self._check_inputs()
        self._check_output()

    @property
    def runs_here(self) -> bool:
        """Whether the images are converted on this machine, by processes of this run."""
        return self.options["executor"] in ("local", "dask") and self.options["scheduler"] is None

    @property
    def workers(self) -> int:
        """Worker processes: all CPUs that may be used, unless fewer were asked for.

        If tasks run elsewhere, those of one task: one, as there are as many tasks as CPUs.
        """
        return self.options["workers"] or (usable_cpus() if self.runs_here else 1)

    @property
    def files_from(self) -> NameList | None:
        """Further inputs; relative names are against the current directory."""
        file = self.options["files_from"]
        return NameList(file, self.options["null"]) if file else None

    @property
    def selection(self) -> Selection:
        """Which files of the inputs count."""
        return Selection(
            include=tuple(self.options["include"]),
            exclude=tuple(self.options["exclude"]),
            hidden=self.options["hidden"],
            follow_links=self.options["follow_links"],
        )

    @property
    def staging(self) -> Path | None:
        """Where the shards of a set at a URL are built; None: where temporary files go."""
        return Path(self.options["staging"]) if self.options["staging"] else None

    def _check_options(self) -> None:
        if self.options["null"] and not self.options["files_from"]:
            raise UsageError("-0 needs --files-from.", "Add --files-from, or drop -0.")
        if self.options["scheduler"] is not None and self.options["executor"] != "dask":
            raise UsageError(
                "--scheduler needs --executor dask.", "Add --executor dask, or drop --scheduler."
            )

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

    def _check_inputs(self) -> None:
        if not self.inputs and not self.options["files_from"]:
            raise UsageError(
                "No input was given.", "Name directories or images, or a list with --files-from."
            )
        for name in self.inputs:
            if files_of(name) is STORES:
                place_of(STORES.absolute(name))  # what is there is for the run to find out
                continue
            if not os.path.exists(name):
                raise UsageError(f"The input {name} does not exist.", _instead_of(name))
            if self._would_walk_output(name):
                raise UsageError(
                    f"The output {self.out} is inside the input {name}.",
                    "Choose an --out outside the inputs.",
                )

    def _check_output(self) -> None:
        if not self.out.is_writable:
            raise UsageError(f"Cannot write to {self.out}.", "Use s3://, gs:// or the like.")
        here = self.out.here
        if here is None:
            return
        if not here.exists() and (url := _almost_url(str(here))):
            raise UsageError(
                f"The output {self.out} looks like a mistyped URL.",
                f"Did you mean {url}? If not, write {here.absolute()}.",
            )
        if here.exists() and not here.is_dir():
            raise UsageError(f"The output {self.out} is a file.", "Choose a directory as --out.")
        if self.options["staging"]:
            raise UsageError(
                f"--staging needs an output at a URL, not {self.out}.", "Drop --staging."
            )

    def _would_walk_output(self, name: str) -> bool:
        if self.out.here is None:
            return f"{self.out}/".startswith(f"{name.rstrip('/')}/")
        directory = os.path.isdir(name)
        return directory and is_within(os.path.realpath(self.out.here), os.path.realpath(name))


def make_job(
    inputs: Iterable[str | os.PathLike[str]],
    models: Iterable[str],
    out: str | os.PathLike[str] | Storage,
    options: ConvertOptions,
) -> Job:
    """The job with these options, and the defaults of the others.

    Raises:
        UsageError: they contradict each other or what is on disk, or there is no such model.
        TypeError: there is no such option.
    """
    every = completed(options)
    return Job(
        inputs=tuple(os.fspath(name) for name in inputs),
        out=storage_at(out, every["retry_for"]),
        settings=SetSettings(
            transforms=transforms_of(models),
            dtype=every["dtype"],
            format=every["format"],
            shard_size=every["shard_size"],
            exif=every["exif"],
        ),
        options=every,
    )


def _almost_url(name: str) -> str | None:
    """The URL that a name was perhaps meant to be."""
    typo = re.fullmatch(r"(s3|gs|gcs|https?):?/+(.+)|(s3|gs):(.+)", name, re.IGNORECASE)
    return typo and f"{(typo[1] or typo[3]).lower()}://{typo[2] or typo[4]}"


def _instead_of(name: str) -> str:
    """What somebody may have meant who named something that is not there."""
    if url := _almost_url(name):
        return f"Did you mean {url}?"
    names = name.split("/")
    for count in range(1, len(names)):
        archive = "/".join(names[:count])
        if is_archive(archive) and os.path.isfile(archive):
            return f"Name the archive, {archive}, and select images in it with --include."
    return "Check the path."
