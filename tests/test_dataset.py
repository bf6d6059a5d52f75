"""A set as a PyTorch dataset: the right tensors, in any process, in any order."""

import os
import pickle
import resource
from collections import Counter
from itertools import count, filterfalse, islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("torch")

import torch
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, SequentialSampler

from clip_prep_cli import ShardSampler, TensorDataset
from clip_prep_cli.errors import CannotContinueError, UsageError
from tests.support.command import album, convert, read_manifest
from tests.support.torch_oracle import reference

COUNT = 22


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of 22 images and one that cannot be converted."""
    directory = album(tmp_path_factory.mktemp("source") / "in", COUNT)
    (directory / "0003.jpg").touch()
    return directory


@pytest.fixture(scope="module")
def out(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its set: uint8, two resolutions, shards of 5; one row is superseded."""
    directory = tmp_path_factory.mktemp("set") / "out"
    options = ("-m", "RN50x4", "--shard-size", "5")
    convert(source, directory, *options, status=3)
    os.utime(source / "0004.png", (1e9, 1e9))
    convert(source, directory, *options, status=3)
    assert read_manifest(directory)["counts"]["superseded"] == 1
    return directory


@pytest.mark.parametrize("format_", ["npy", "pt"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
def test_items_are_the_reference(format_: str, dtype: str, source: Path, tmp_path: Path) -> None:
    """Each item is what the original transform gives, rounded as the set's dtype is."""
    if (format_, dtype) == ("npy", "bfloat16"):
        pytest.skip("NumPy has no bfloat16")
    options = ("--format", format_, "--dtype", dtype, "--shard-size", "9")
    convert(source, tmp_path / "out", *options, status=3)
    dataset = TensorDataset(tmp_path / "out", "ViT-B/32")
    assert len(dataset) == len(dataset.paths) == COUNT
    for index in range(COUNT):
        tensor, path = dataset[index]
        with Image.open(path) as image:
            expected = reference(image, 224)
        if dtype != "uint8":  # those are normalized to float32
            expected = expected.to(getattr(torch, dtype))
        assert tensor.dtype == expected.dtype
        assert torch.equal(tensor, expected), path


def test_superseded_rows_are_left_out(source: Path, out: Path) -> None:
    """Only the newest row of an image counts; each image is there once."""
    dataset = TensorDataset(out, "RN50x4")
    assert Counter(map(Path, dataset.paths)) == Counter(source.glob("*.png"))
    assert Path(dataset.paths[-1]).name == "0004.png"
    assert dataset[-1][0].shape == (3, 288, 288)
    assert dataset.record(COUNT - 1).sample.mtime_ns == 10**18
    with pytest.raises(IndexError):
        dataset[COUNT]


def test_raw_rows(out: Path) -> None:
    """With `raw`, uint8 rows stay as they are."""
    tensor, path = TensorDataset(out, "RN50", raw=True)[0]
    assert tensor.dtype == torch.uint8
    normalized, _ = TensorDataset(out, "RN50")[0]
    mean, std = (torch.tensor(c).view(3, 1, 1) for c in (_MEAN, _STD))
    assert torch.equal((tensor.float() / 255 - mean) / std, normalized), path


_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


def name_and_sum(tensor: torch.Tensor, path: str) -> tuple[str, float]:
    """An item of a user's own."""
    return Path(path).stem, float(tensor.sum())


def test_items_of_a_users_own(out: Path) -> None:
    """What `item` returns is the item."""
    name, total = TensorDataset(out, "RN50", item=name_and_sum)[2]
    assert (name, total) == ("0002", float(TensorDataset(out, "RN50")[2][0].sum()))


@pytest.mark.slow
@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_in_workers(context: str, out: Path) -> None:
    """However a DataLoader starts its workers, the batches are those without."""
    dataset = TensorDataset(out, "RN50")
    plain = list(DataLoader(dataset, batch_size=4))
    loader = DataLoader(dataset, batch_size=4, num_workers=2, multiprocessing_context=context)
    for (tensors, names), (expected, expected_names) in zip(loader, plain, strict=True):
        assert torch.equal(tensors, expected)
        assert names == expected_names


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("raw", [False, True])
def test_batches_at_once(workers: int, raw: bool, out: Path) -> None:  # noqa: FBT001
    """Several indices give the batch that collating their items gives, with or without workers."""
    dataset = TensorDataset(out, "RN50", raw=raw)
    sampler = BatchSampler(SequentialSampler(dataset), 5, drop_last=False)
    context = "spawn" if workers else None
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        num_workers=workers,
        multiprocessing_context=context,
    )
    for (tensors, names), (expected, expected_names) in zip(
        loader, DataLoader(dataset, batch_size=5), strict=True
    ):
        assert torch.equal(tensors, expected)
        assert (tensors.dtype, list(names)) == (expected.dtype, list(expected_names))


def test_pickles_are_small(out: Path) -> None:
    """What is mapped stays behind; what arrives works."""
    dataset = TensorDataset(out, "RN50")
    first = dataset[0]
    data = pickle.dumps(dataset)
    assert len(data) < 10_000
    again = pickle.loads(data)  # noqa: S301 - our own bytes
    assert torch.equal(again[0][0], first[0])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (None, "tensors at 224 px and 288 px"),
        ("RN50x16", "none for RN50x16"),
        ("ViT", "is not a known model"),
    ],
)
def test_a_model_that_is_not_there(model: str | None, words: str, out: Path) -> None:
    """What is missing is said, with what is there."""
    with pytest.raises(UsageError, match=words):
        TensorDataset(out, model)


def test_no_set(tmp_path: Path) -> None:
    """A directory that is no set is refused."""
    with pytest.raises(CannotContinueError, match=r"no manifest\.json"):
        TensorDataset(tmp_path)


def order(dataset: TensorDataset, epoch: int = 0, **options: Any) -> list[int]:
    """The indices that a sampler gives."""
    sampler = ShardSampler(dataset, **options)
    sampler.set_epoch(epoch)
    indices = list(sampler)
    assert len(indices) == len(sampler)
    return indices


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_an_epoch_is_each_item_once(at_once: int, out: Path) -> None:
    """All items, shuffled, from few shards at a time; other epochs and seeds differ."""
    dataset = TensorDataset(out, "RN50")
    indices = order(dataset, at_once=at_once)
    assert sorted(indices) == list(range(COUNT))
    assert indices == order(dataset, at_once=at_once)
    others = order(dataset, 1, at_once=at_once), order(dataset, at_once=at_once, seed=1)
    assert len({tuple(indices), *map(tuple, others)}) == 3
    shards = [int(dataset.shards[index]) for index in indices]
    changes = sum(before != after for before, after in pairwise(shards))
    assert (changes == len(set(shards)) - 1) == (at_once == 1)


@pytest.mark.parametrize("replicas", [2, 3, 5, 30])
def test_replicas_share_an_epoch(replicas: int, out: Path) -> None:
    """Parts are equally long, and together they are everything, a few items twice if need be."""
    dataset = TensorDataset(out, "RN50")
    parts = [order(dataset, replicas=replicas, rank=rank) for rank in range(replicas)]
    together = Counter(index for part in parts for index in part)
    assert set(together) == set(range(COUNT))
    assert together.total() == replicas * -(-COUNT // replicas)


def test_torchs_own_distributed_sampler(out: Path) -> None:
    """It works as with any dataset."""
    dataset = TensorDataset(out, "RN50")
    parts: list[list[int]] = [list(DistributedSampler(dataset, 2, rank)) for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == list(range(COUNT))


def test_an_empty_set(tmp_path: Path) -> None:
    """It has no items, and an epoch of it none."""
    source = album(tmp_path / "in", 0)
    (source / "bad.jpg").touch()
    convert(source, tmp_path / "out", status=3)
    dataset = TensorDataset(tmp_path / "out")
    assert len(dataset) == 0
    assert order(dataset) == []


@pytest.mark.slow
def test_more_shards_than_files_may_be_open(source: Path, tmp_path: Path) -> None:
    """Of however many shards a set is, few of its files are open at a time."""
    convert(source, tmp_path / "out", "--shard-size", "1", status=3)
    dataset = TensorDataset(tmp_path / "out")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    there = {*map(int, os.listdir("/dev/fd"))}
    free = filterfalse(there.__contains__, count())
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(islice(free, COUNT - 3, None)), hard))
    try:
        found = [[dataset[index][0].clone() for index in range(COUNT)] for _ in range(2)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len({tensor.numpy().tobytes() for tensor in found[0]}) == COUNT
    assert all(map(torch.equal, *found))
