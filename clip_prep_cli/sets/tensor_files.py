"""The formats of tensor files: what each must say of itself, and which there are."""

from collections.abc import Sequence
from typing import Protocol

from clip_prep_cli.sets.npy import Npy
from clip_prep_cli.sets.pt import Pt
from clip_prep_cli.storage.interface import Storage


class TensorFormat(Protocol):
    """A format in which rows are contiguous; it is in a file of its own, and in `FORMATS`."""

    @property
    def name(self) -> str:
        """As in `--format`, and the suffix of its files, without the dot."""

    @property
    def dtypes(self) -> Sequence[str]:
        """The output dtypes that it can hold."""

    @property
    def package(self) -> str | None:
        """The package that writing needs, which is also an extra of clip-prep; None: none."""

    def frame(self, shape: tuple[int, ...], dtype: str) -> tuple[bytes, bytes]:
        """What is before the rows of a tensor [rows, 3, h, w], and what is after them.

        What is before them is equally long for any number of rows.
        """

    def rows_begin(self, directory: Storage, name: str) -> int:
        """The byte of a file at which its rows begin.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not a file of this format.
        """


FORMATS: dict[str, TensorFormat] = {}


def register(tensor_format: TensorFormat) -> None:
    """Add a format to `FORMATS`, under its name."""
    FORMATS[tensor_format.name] = tensor_format


register(Npy())
register(Pt())
