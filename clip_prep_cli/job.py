"""The job: what to convert, into what, where to, and how. Every setting of a run."""

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from clip_prep_cli.errors import UsageError
from clip_prep_cli.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.manifest import SetSettings
from clip_prep_cli.sources import Selection


@dataclass(frozen=True)
class Job:
    """A checked set of settings; all paths are as the user named them.

    Raises:
        UsageError: the settings contradict each other or what is on disk.
    """

    inputs: tuple[str, ...]
    out: Path
    settings: SetSettings
    workers: int
    selection: Selection = field(default_factory=Selection)
    max_pixels: int = DEFAULT_MAX_PIXELS
    timeout: float = DEFAULT_TIMEOUT
    fail_fast: bool = False
    retry_failed: bool = False
    overwrite: bool = False
    resize: str = "native"

    def __post_init__(self) -> None:
        self._check_tensors()
        self._check_paths()

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


def _within(path: str, directory: str) -> bool:
    return os.path.commonpath((path, directory)) == directory
