"""The names of the files in a set, and which of the files in a directory have them."""

import re
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import PurePosixPath

import xxhash

from clip_prep_cli.common.threads import in_order
from clip_prep_cli.pixels.transforms import OPENAI_MEAN, OPENAI_STD, Transform
from clip_prep_cli.sets.tensor_files import FORMATS
from clip_prep_cli.storage.durable import partial_name
from clip_prep_cli.storage.interface import Entry, Storage

MANIFEST = "manifest.json"
FAILURES = "failures.jsonl"
INDEX = "index"
"""The folder of the indexes."""

LOCK = ".clip-prep.lock"
"""There only while a run holds the set, or after it was killed."""

STAGING = "clip-prep-staging-"
"""How the directories begin in which shards of sets at URLs are built."""

_PARTIAL = r"\.\d+\.partial"
_FILES = re.compile(
    rf"(shard-\d{{6,}}\.(?P<suffix>\w+)|{re.escape(MANIFEST)}|{re.escape(FAILURES)})({_PARTIAL})?"
    rf"|sources-\d{{6,}}{_PARTIAL}"
    rf"|{re.escape(LOCK)}{_PARTIAL}"
)
_TENSORS = (
    r"\d+(x\d+)?px(-squash|-longest(-fill\d+)?)?(-bilinear)?"
    r"(-half|-unit|-imagenet|-stats-[0-9a-f]{8})?"
)
_FOLDERS = re.compile(rf"{_TENSORS}|{INDEX}")
_PARTIAL_TENSORS = re.compile(rf"{_TENSORS}/.*\.partial")
_INDEXES = re.compile(rf"{INDEX}/shard-(\d{{6,}})\.jsonl")

_STATISTICS = {
    (OPENAI_MEAN, OPENAI_STD): "",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "-half",
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)): "-unit",
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "-imagenet",
}


@cache
def folder_of(transform: Transform) -> str:
    """The folder with the rows of a transform: its size, and how it departs from OpenAI's."""
    height, width = transform.height, transform.width
    size = f"{width}px" if width == height else f"{height}x{width}px"
    resize = "" if transform.resize == "shortest" else f"-{transform.resize}"
    fill = f"-fill{transform.fill}" if transform.fill else ""
    smooth = "" if transform.filter == "bicubic" else f"-{transform.filter}"
    statistics = _STATISTICS.get((transform.mean, transform.std))
    if statistics is None:
        packed = struct.pack("<6f", *transform.mean, *transform.std)
        statistics = f"-stats-{xxhash.xxh3_128_hexdigest(packed)[:8]}"
    return f"{size}{resize}{fill}{smooth}{statistics}"


def shard_name(number: int) -> str:
    """The name of shard `number` in every folder of a set, without suffix."""
    return f"shard-{number:06d}"


def shard_number(name: str) -> int:
    """The number of the shard that has a name; ValueError if it is not that of a shard."""
    return int(name.partition("-")[2])


def index_file(number: int) -> str:
    """The index of shard `number`, below the set's directory."""
    return f"{INDEX}/{shard_name(number)}.jsonl"


def is_index(name: str) -> bool:
    """Whether the name of a file ends as that of an index does."""
    return PurePosixPath(name).suffix == ".jsonl"


def indexed_shards(names: Iterable[str]) -> list[int]:
    """The shards whose indexes are among these files, in order."""
    return sorted(int(match[1]) for match in map(_INDEXES.fullmatch, names) if match)


def sources_file(number: int) -> str:
    """The file of unpacked images for shard `number`; it is never anything but partial."""
    return partial_name(f"sources-{number:06}")


def is_partial(name: str) -> bool:
    """Whether a file is not, or not yet, what its name says."""
    return name.endswith(".partial")


def is_partial_tensor(name: str) -> bool:
    """Whether a file below the set's directory is a tensor file that is not whole."""
    return bool(_PARTIAL_TENSORS.fullmatch(name))


def is_own(name: str) -> bool:
    """Whether a file in the directory of a set, or in a folder of it, has a name of ours."""
    match = _FILES.fullmatch(name)
    return match is not None and match["suffix"] in (None, "jsonl", *FORMATS)


def own_folders(top: Iterable[Entry]) -> list[str]:
    """The folders that have names of ours, of what is in the directory of a set."""
    return [each.name for each in top if each.is_folder and _FOLDERS.fullmatch(each.name)]


def own_files(directory: Storage) -> dict[str, int]:
    """The name below `directory` of each file that clip-prep made, and its size in bytes."""
    top = directory.entries()
    found = {each.name: each.size for each in top if is_own(each.name)}
    folders = own_folders(top)
    inside = in_order(directory.entries, folders, directory.reads_at_once)
    for folder, files in zip(folders, inside, strict=True):
        found |= {f"{folder}/{each.name}": each.size for each in files if is_own(each.name)}
    return found
