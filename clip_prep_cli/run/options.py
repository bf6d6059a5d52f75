"""The options of a conversion, each declared once.

The command's options, the keywords of Python's `convert` and the checks of a `Job` are all derived
from `ConvertOptions`: a new option is one entry here, and its use.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, Literal, TypedDict, cast, get_type_hints

from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.dtypes import ITEM_DTYPE
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.sets.tensor_files import FORMATS
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE

SECTIONS = (
    "Input",
    "Output",
    "Images",
    "Repeated runs",
    "Failures",
    "General",
)
"""The tasks by which `convert --help` lists the options."""

_SOURCES, _TARGET, _IMAGES, _AGAIN, _FAILING, _RUN = SECTIONS


@dataclass(frozen=True)
class Option:
    """What an option is called, what it may be, and what `--help` says of it.

    The long name of the command's option and its environment variable are the field's name, as
    `--shard-size` and `CLIP_PREP_SHARD_SIZE` are `shard_size`.
    """

    section: str
    help: str
    """Empty: the command has no such option, only Python has."""
    _: KW_ONLY
    default: Any
    """False makes a flag of it, () an option that can be repeated."""
    short: str = ""
    metavar: str = ""
    choices: Collection[str] = ()
    at_least: float | None = None
    at_most: float | None = None
    above_zero: bool = False
    path: Literal["", "file", "directory"] = ""
    """What must exist under that name."""
    default_text: str = ""
    """What the default means, where the value does not say it."""
    also: type | None = None
    """What Python takes beside the choices."""
    hidden: bool = False

    def check(self, name: str, value: object) -> None:
        """Refuse a value that the option cannot have.

        Raises:
            UsageError: with what it can be.
        """
        if self.choices and value not in self.choices and not self._is_also(value):
            python = f", or, from Python, an instance of {self.also.__name__}" if self.also else ""
            allowed = ", ".join(self.choices) + python
            raise UsageError(f"{name} cannot be {value!r}.", f"Use one of {allowed}.")
        if isinstance(value, int | float) and not self._is_in_range(value):
            bound = "above 0" if self.above_zero else f"at least {self.at_least:,}"
            most = f" and at most {self.at_most:,}" if self.at_most is not None else ""
            raise UsageError(f"{name} cannot be {value}.", f"It must be {bound}{most}.")

    def _is_also(self, value: object) -> bool:
        return self.also is not None and isinstance(value, self.also)

    def _is_in_range(self, number: float) -> bool:
        """Whether a number is one of those that are allowed; nan is not, where any are refused."""
        return (
            (self.at_least is None or number >= self.at_least)
            and (self.at_most is None or number <= self.at_most)
            and (not self.above_zero or number > 0)
        )


class ConvertOptions(TypedDict, total=False):
    """What can be said about a conversion besides inputs, models and output."""

    files_from: Annotated[
        str | None,
        Option(
            _SOURCES,
            "Read more inputs from a file, or `-`, one per line.",
            default=None,
            metavar="FILE",
            path="file",
        ),
    ]
    null: Annotated[
        bool,
        Option(
            _SOURCES, "Their names are NUL-separated (find -print0).", default=False, short="-0"
        ),
    ]
    include: Annotated[
        Iterable[str],
        Option(
            _SOURCES,
            "Only matching files (.gitignore syntax); repeatable.",
            default=(),
            metavar="GLOB",
        ),
    ]
    exclude: Annotated[
        Iterable[str],
        Option(
            _SOURCES, "Skip matching files and folders; repeatable.", default=(), metavar="GLOB"
        ),
    ]
    follow_links: Annotated[
        bool, Option(_SOURCES, "Follow symbolic links below the inputs.", default=False, short="-L")
    ]
    hidden: Annotated[bool, Option(_SOURCES, "Include hidden files.", default=False)]
    staging: Annotated[
        str | os.PathLike[str] | None,
        Option(
            _TARGET,
            "Where to build shards for a URL.",
            default=None,
            metavar="DIR",
            path="directory",
            default_text="$TMPDIR",
        ),
    ]
    format: Annotated[str, Option(_TARGET, "pt is for torch.load.", default="npy", choices=FORMATS)]
    dtype: Annotated[
        str,
        Option(
            _TARGET,
            "float32, float16, bfloat16 (pt only) or uint8 (not normalized).",
            default="float32",
            metavar="DTYPE",
            choices=tuple(ITEM_DTYPE),
        ),
    ]
    shard_size: Annotated[
        int,
        Option(
            _TARGET, "Images per shard.", default=1024, metavar="N", at_least=1, at_most=1 << 24
        ),
    ]
    overwrite: Annotated[
        bool, Option(_TARGET, "Discard the set in DIR and start over.", default=False)
    ]
    exif: Annotated[
        str,
        Option(
            _IMAGES,
            "apply turns images upright, unlike the reference.",
            default="ignore",
            choices=("ignore", "apply"),
        ),
    ]
    max_pixels: Annotated[
        int,
        Option(
            _IMAGES, "Reject larger images.", default=DEFAULT_MAX_PIXELS, metavar="N", at_least=1
        ),
    ]
    timeout: Annotated[
        float,
        Option(
            _IMAGES,
            "Give up on an image after SECONDS.",
            default=DEFAULT_TIMEOUT,
            metavar="SECONDS",
            above_zero=True,
        ),
    ]
    resize: Annotated[
        str,
        Option(
            _IMAGES, "What resizes.", default="native", choices=("native", "pillow"), hidden=True
        ),
    ]
    checksum: Annotated[
        bool, Option(_AGAIN, "Detect changed files by content, not by time.", default=False)
    ]
    prune: Annotated[bool, Option(_AGAIN, "Drop the rows of deleted images.", default=False)]
    retry_failed: Annotated[bool, Option(_AGAIN, "Retry images that failed before.", default=False)]
    fail_fast: Annotated[bool, Option(_FAILING, "Stop at the first failure.", default=False)]
    workers: Annotated[
        int | None,
        Option(
            _RUN,
            "Worker processes.",
            default=None,
            short="-j",
            metavar="N",
            at_least=1,
            at_most=4096,
            default_text="usable CPUs",
        ),
    ]
    executor: Annotated[
        str | Executor,
        Option(
            _RUN,
            "local, or dask for a cluster.",
            default="local",
            metavar="NAME",
            choices=("local", "dask"),
            also=Executor,
        ),
    ]
    scheduler: Annotated[
        str | None,
        Option(
            _RUN,
            "Dask scheduler (tcp://HOST:8786); else a local one.",
            default=None,
            metavar="ADDRESS",
        ),
    ]
    retry_for: Annotated[
        float,
        Option(
            _RUN,
            "Retry a failing store for SECONDS.",
            default=DEFAULT_PATIENCE,
            metavar="SECONDS",
            at_least=0,
        ),
    ]
    slots: Annotated[int, Option(_RUN, "", default=64, at_least=1)]
    """Tasks that an executor from Python can run at once; it cannot be asked."""


def declared() -> Mapping[str, Option]:
    """Every option by its name, in the order in which they are declared."""
    hints = get_type_hints(ConvertOptions, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def completed(given: ConvertOptions) -> ConvertOptions:
    """The options with the defaults of those that are not given, each checked by itself.

    Raises:
        UsageError: one has a value that it cannot have.
        TypeError: there is no such option.
    """
    options = declared()
    if unknown := set(given) - set(options):
        raise TypeError(f"unknown option: {', '.join(sorted(unknown))}")
    values = {name: option.default for name, option in options.items()} | given
    for name, option in options.items():
        option.check(name, values[name])
    return cast("ConvertOptions", values)
