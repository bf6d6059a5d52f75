"""A set as a PyTorch dataset, and a sampler for disks that hate random reads."""

import math
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler, get_worker_info

from clip_prep_cli.errors import UsageError
from clip_prep_cli.pixels.dtypes import ITEM_DTYPE
from clip_prep_cli.pixels.models import transform_of
from clip_prep_cli.pixels.normalize import lookup_table, normalize
from clip_prep_cli.samples.records import Record
from clip_prep_cli.sets.layout import Layout, rows_begin
from clip_prep_cli.sets.stored import StoredSet
from clip_prep_cli.storage.location import storage_at
from clip_prep_cli.storage.urls import copy_hint

_MOST_MAPS = 16
"""Each keeps a file open, of which a process may have 1,024 as a rule, for many sets together."""


def _pair(tensor: torch.Tensor, path: str | list[str]) -> tuple[torch.Tensor, str | list[str]]:
    return tensor, path


class TensorDataset(Dataset[Any]):
    """The live rows of a set, memory-mapped: `dataset[i]` is (tensor [3, n_px, n_px], path).

    It can be pickled into the workers of a DataLoader, forked or spawned. The set must not be
    compacted or overwritten while it is read; runs that add to it do no harm, and are not seen.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        model: str | None = None,
        *,
        item: Callable[[torch.Tensor, Any], Any] = _pair,
        raw: bool = False,
    ) -> None:
        """Read the manifest and the indexes.

        Args:
            directory: The set.
            model: For which model; may be left out if the set has one resolution.
            item: What is made of a tensor and its image's path; or of a batch and its paths.
            raw: Leave uint8 rows as they are. By default they are normalized to float32, to the
                same bits as the rows of a float32 set.

        Raises:
            UsageError: the set is at a URL, has no tensors for `model`, or it is not clear which
                are wanted.
            CannotContinueError: there is no set, or it is damaged.
            OSError: it cannot be read.
        """
        storage = storage_at(directory)
        if storage.here is None:
            raise UsageError(
                f"{storage} is a URL, but a dataset is memory-mapped from disk.",
                f"Copy the set to this machine with {copy_hint(str(storage))}.",
            )
        self._directory = storage.here
        self._stored = StoredSet(storage)
        self.layout = _layout(self._stored, model)
        self.paths: Sequence[str] = Strings(map(self._stored.source, self._stored.records()))
        """The absolute path of each image, as it was when it was converted."""
        self._item = item
        self._table, dtype = None, self.layout.dtype
        if dtype == "uint8" and not raw:
            reference, dtype = self._stored.manifest.settings.reference, "float32"
            self._table = lookup_table(self.layout.transform, dtype, reference)
        self._dtype: torch.dtype = getattr(torch, dtype)
        self._shape = self.layout.transform.shape
        self._samples = {entry.number: entry.samples for entry in self._stored.manifest.shards}
        self._maps: dict[int, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, index: int | Sequence[int]) -> Any:  # noqa: ANN401
        """One item; or of several indices a batch at once: [b, 3, n_px, n_px], and their paths.

        Batches are read straight into place, which saves the copy of collating them:
        `DataLoader(dataset, batch_size=None, sampler=BatchSampler(sampler, 64, drop_last=False))`.
        """
        every = range(len(self))
        if isinstance(index, Sequence):
            places = [every[each] for each in index]
            return self._item(self._batch(places), [self.paths[at] for at in places])
        at = every[index]
        tensor = torch.empty(self._shape, dtype=self._dtype)
        self._fill(tensor, at)
        return self._item(tensor, self.paths[at])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # what is mapped here is not there

    def record(self, index: int) -> Record:
        """What the set knows of an image: source, size, checksums, format, mode.

        Raises:
            DamagedError: it is not as it was written.
        """
        return self._stored.record(range(len(self))[index])

    @property
    def shards(self) -> NDArray[np.int64]:
        """The number of the shard that each item is in; items of a shard lie side by side."""
        return np.array([self._stored.place(at)[0] for at in range(len(self))], np.int64)

    def prefetch(self, shard: int) -> None:
        """Ask the system to read a shard's file from disk, from its beginning to its end."""
        if hasattr(os, "posix_fadvise"):
            file = os.open(self._file(shard), os.O_RDONLY | os.O_CLOEXEC)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
            os.close(file)

    def _batch(self, places: Sequence[int]) -> torch.Tensor:
        shape = (len(places), *self._shape)
        if get_worker_info() is None:
            tensor = torch.empty(shape, dtype=self._dtype)
        else:
            # As torch's own collating does in a worker: into memory that both processes see.
            size = math.prod(shape) * self._dtype.itemsize
            # torch has no public function for it, and no types for this one.
            storage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call] # noqa: SLF001
            tensor = torch.empty(0, dtype=self._dtype).set_(storage).resize_(shape)
        for row, at in zip(tensor, places, strict=True):
            self._fill(row, at)
        return tensor

    def _fill(self, tensor: torch.Tensor, at: int) -> None:
        """Put a row, normalized if it has to be, into a tensor of its shape."""
        shard, row = self._stored.place(at)
        stored = self._mapped(shard)[row]
        bits = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
        if self._table is None:
            np.copyto(bits.numpy(), stored)
        else:
            normalize(stored.transpose(1, 2, 0), self._table, bits.numpy())

    def _mapped(self, shard: int) -> NDArray[Any]:
        """The rows of a shard; of those that are mapped, the one not used longest makes room."""
        rows = self._maps.pop(shard, None)
        if rows is None:
            begin = rows_begin(self._stored.directory, self.layout.file(shard))
            size = self._samples[shard] * self.layout.row_bytes
            data = np.memmap(self._file(shard), np.uint8, "r", begin, (size,))
            rows = data.view(ITEM_DTYPE[self.layout.dtype]).reshape(-1, *self._shape)
            if len(self._maps) == _MOST_MAPS:
                del self._maps[next(iter(self._maps))]
        self._maps[shard] = rows
        return rows

    def _file(self, shard: int) -> Path:
        return self._directory / self.layout.file(shard)


class ShardSampler(Sampler[int]):
    """A shuffled epoch that reads few shards at a time, each as a whole.

    The shards are shuffled, then the rows of each `at_once` of them together. With `replicas` and
    `rank` each process of a distributed job gets its part, all parts being equally long, as with
    `torch.utils.data.DistributedSampler`.
    """

    def __init__(
        self,
        dataset: TensorDataset,
        *,
        at_once: int = 4,
        seed: int = 0,
        replicas: int = 1,
        rank: int = 0,
    ) -> None:
        """Prepare epoch 0; see `set_epoch`.

        Raises:
            ValueError: a number is out of range.
        """
        if at_once < 1 or not 0 <= rank < replicas:
            raise ValueError(f"out of range: at_once={at_once}, rank={rank}, replicas={replicas}")
        self._dataset = dataset
        self._at_once = at_once
        self._seed = seed
        self._replicas = replicas
        self._rank = rank
        self._epoch = 0
        numbers, firsts = np.unique(dataset.shards, return_index=True)
        ends = np.append(firsts, len(dataset))[1:]
        self._parts = list(zip(numbers.tolist(), firsts.tolist(), ends.tolist(), strict=True))

    def set_epoch(self, epoch: int) -> None:
        """Shuffle another way from now on; the same in every process."""
        self._epoch = epoch

    def __len__(self) -> int:
        return (len(self._dataset) + self._replicas - 1) // self._replicas

    def __iter__(self) -> Iterator[int]:
        first: list[int] = []
        at = 0
        for at, index in enumerate(self._order()):
            if at < self._replicas:
                first.append(index)
            if at % self._replicas == self._rank:
                yield index
        # What is missing to equal parts is taken from the beginning once more.
        missing = range(at + 1, len(self) * self._replicas)
        yield from (first[at % len(first)] for at in missing if at % self._replicas == self._rank)

    def _order(self) -> Iterator[int]:
        random = np.random.default_rng((self._seed, self._epoch))
        parts = [self._parts[at] for at in random.permutation(len(self._parts))]
        groups = [parts[at : at + self._at_once] for at in range(0, len(parts), self._at_once)]
        for at, group in enumerate(groups):
            # The next shards are read from disk while these are used.
            for soon in groups[at + 1 : at + 2] if at else groups[:2]:
                for shard, _, _ in soon:
                    self._dataset.prefetch(shard)
            rows = np.concatenate([np.arange(begin, end) for _, begin, end in group])
            yield from random.permutation(rows).tolist()


def _layout(stored: StoredSet, model: str | None) -> Layout:
    layouts = {layout.transform: layout for layout in stored.manifest.settings.layouts}
    if model is None and len(layouts) == 1:
        return next(iter(layouts.values()))
    there = " and ".join(f"{transform.side} px" for transform in layouts)
    if model is None:
        raise UsageError(f"The set has tensors at {there}.", "Choose one with model=.")
    layout = layouts.get(transform_of(model))
    if layout is None:
        raise UsageError(f"The set has tensors at {there}, none for {model}.", "Convert for it.")
    return layout


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
