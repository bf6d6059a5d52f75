"""The options of a conversion, each declared once.

The command's options, the keywords of Python's `convert` and the checks of a `Job` are all derived
from `ConvertOptions`: a new option is one entry here, and its use.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Annotated, Any, TypedDict, cast, get_type_hints

from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.dtypes import ITEM_DTYPE
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.sets.tensor_files import FORMATS
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE

SECTIONS = ("Input", "Output", "Images", "Repeated runs", "Failures", "General")
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
    default: Any = False
    """False makes a flag of it, () an option that can be repeated."""
    _: KW_ONLY
    short: str = ""
    metavar: str = ""
    """`FILE` and `DIR` must exist. Of a number it is SECONDS or N."""
    choices: Collection[str] = ()
    at_least: int | None = None
    at_most: int | None = None
    above_zero: bool = False
    also: type | None = None
    """What Python takes beside the choices."""
    hidden: bool = False

    def valid(self, name: str, value: object) -> object:
        """The value, if the option can have it: of its type, and complete.

        Python's callers pass what they like; a NumPy integer, say, becomes an int, which JSON has.

        Raises:
            UsageError: it cannot; with what it can be.
        """
        if self.choices:
            return self._choice(name, value)
        if self.default == ():
            return tuple(cast("Iterable[str]", value))  # a generator would serve only once
        if self.default is False:
            if value not in (True, False):
                raise UsageError(f"{name} cannot be {value!r}.", "It must be True or False.")
            return bool(value)
        if (self.at_least is None and not self.above_zero) or value is self.default is None:
            return value
        return self._number(name, value)

    def _choice(self, name: str, value: object) -> object:
        is_also = self.also is not None and isinstance(value, self.also)
        if value not in self.choices and not is_also:
            python = f", or, from Python, an instance of {self.also.__name__}" if self.also else ""
            allowed = ", ".join(self.choices) + python
            raise UsageError(f"{name} cannot be {value!r}.", f"Use one of {allowed}.")
        return value

    def _number(self, name: str, value: object) -> float:
        whole = not isinstance(self.default, float)
        if isinstance(value, Real) and not isinstance(value, bool):
            number = float(value)
            if self._is_in_range(number) and (number.is_integer() or not whole):
                return int(number) if whole else number
        kind = "a whole number" if whole else "a number"
        bound = "above 0" if self.above_zero else f"of at least {self.at_least:,}"
        most = f" and at most {self.at_most:,}" if self.at_most is not None else ""
        raise UsageError(f"{name} cannot be {value!r}.", f"It must be {kind} {bound}{most}.")

    def _is_in_range(self, number: float) -> bool:
        """Whether a number is one of those that are allowed; nan is not."""
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
            "Read more inputs from FILE (- for stdin), one per line.",
            None,
            metavar="FILE",
        ),
    ]
    null: Annotated[bool, Option(_SOURCES, "Names in --files-from are NUL-separated.", short="-0")]
    include: Annotated[
        Iterable[str],
        Option(
            _SOURCES, "Only matching files (.gitignore syntax); repeatable.", (), metavar="GLOB"
        ),
    ]
    exclude: Annotated[
        Iterable[str],
        Option(_SOURCES, "Skip matching files and folders; repeatable.", (), metavar="GLOB"),
    ]
    follow_links: Annotated[
        bool, Option(_SOURCES, "Follow symbolic links below the inputs.", short="-L")
    ]
    hidden: Annotated[bool, Option(_SOURCES, "Include hidden files.")]
    staging: Annotated[
        str | os.PathLike[str] | None,
        Option(
            _TARGET,
            "Where to build shards if --out is a URL.  [default: $TMPDIR]",
            None,
            metavar="DIR",
        ),
    ]
    format: Annotated[str, Option(_TARGET, "pt is for torch.load.", "npy", choices=FORMATS)]
    dtype: Annotated[
        str,
        Option(
            _TARGET,
            "float32, float16, bfloat16 (pt only) or uint8 (not normalized).",
            "float32",
            metavar="DTYPE",
            choices=tuple(ITEM_DTYPE),
        ),
    ]
    shard_size: Annotated[
        int, Option(_TARGET, "Images per shard.", 1024, at_least=1, at_most=1 << 24)
    ]
    overwrite: Annotated[bool, Option(_TARGET, "Discard the set in DIR and start over.")]
    exif: Annotated[
        str,
        Option(
            _IMAGES,
            "apply turns images upright, unlike the reference.",
            "ignore",
            choices=("ignore", "apply"),
        ),
    ]
    max_pixels: Annotated[
        int, Option(_IMAGES, "Reject larger images.", DEFAULT_MAX_PIXELS, at_least=1)
    ]
    timeout: Annotated[
        float,
        Option(_IMAGES, "Give up on an image after SECONDS.", DEFAULT_TIMEOUT, above_zero=True),
    ]
    resize: Annotated[
        str, Option(_IMAGES, "What resizes.", "native", choices=("native", "pillow"), hidden=True)
    ]
    checksum: Annotated[bool, Option(_AGAIN, "Detect changed files by content, not by time.")]
    prune: Annotated[bool, Option(_AGAIN, "Drop the rows of deleted images.")]
    retry_failed: Annotated[bool, Option(_AGAIN, "Retry images that failed before.")]
    fail_fast: Annotated[bool, Option(_FAILING, "Stop at the first failure.")]
    workers: Annotated[
        int | None,
        Option(
            _RUN,
            "Worker processes.  [default: usable CPUs]",
            None,
            short="-j",
            at_least=1,
            at_most=4096,
        ),
    ]
    executor: Annotated[
        str | Executor,
        Option(
            _RUN,
            "local, or dask for a cluster.",
            "local",
            metavar="NAME",
            choices=("local", "dask"),
            also=Executor,
        ),
    ]
    scheduler: Annotated[
        str | None,
        Option(
            _RUN, "Dask scheduler (tcp://HOST:8786); default: start one.", None, metavar="ADDRESS"
        ),
    ]
    retry_for: Annotated[
        float,
        Option(_RUN, "Keep retrying a failing bucket or server.", DEFAULT_PATIENCE, at_least=0),
    ]
    slots: Annotated[int, Option(_RUN, "", 64, at_least=1)]
    """Tasks that an executor from Python can run at once; it cannot be asked."""


def declared() -> Mapping[str, Option]:
    """Every option by its name, in the order in which they are declared."""
    hints = get_type_hints(ConvertOptions, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def completed(given: ConvertOptions) -> ConvertOptions:
    """The options with the defaults of those that are not given, each valid by itself.

    Raises:
        UsageError: one has a value that it cannot have.
        TypeError: there is no such option.
    """
    options = declared()
    if unknown := set(given) - set(options):
        raise TypeError(f"unknown option: {', '.join(sorted(unknown))}")
    values = {name: option.default for name, option in options.items()} | given
    valid = {name: option.valid(name, values[name]) for name, option in options.items()}
    return cast("ConvertOptions", valid)
