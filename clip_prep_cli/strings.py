"""Many strings in little memory."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload


class Strings(Sequence[str]):
    """A sequence of file names: two buffers, whatever their number; pickles as fast as bytes."""

    def __init__(self, strings: Iterable[str]) -> None:
        text, ends = bytearray(), array("Q", [0])
        for string in strings:
            text += string.encode(errors="surrogateescape")
            ends.append(len(text))
        self._text, self._ends = bytes(text), ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        return self._text[self._ends[at] : self._ends[at + 1]].decode(errors="surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (self[at] for at in range(len(self)))
