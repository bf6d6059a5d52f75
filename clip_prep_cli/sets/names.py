"""What clip-prep made of what lies in a directory, told by names and places."""

import re
import struct
from functools import cache

import xxhash

from clip_prep_cli.common.threads import in_order
from clip_prep_cli.pixels.transforms import OPENAI_MEAN, OPENAI_STD, Transform
from clip_prep_cli.sets.tensor_files import FORMATS
from clip_prep_cli.storage.location import Entry, Location, entries, reads_at_once

_OURS = re.compile(
    r"(shard-\d{6,}\.(?P<suffix>\w+)|manifest\.json|failures\.jsonl)(\.\d+\.partial)?"
    r"|sources-\d{6,}\.\d+\.partial"
    r"|\.clip-prep\.lock\.\d+\.partial"
)
_FOLDERS = re.compile(
    r"(\d+|\d+x\d+)px(-squash|-longest(-fill\d+)?)?(-bilinear)?"
    r"(-half|-unit|-imagenet|-stats-[0-9a-f]{8})?|index"
)
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


def own_files(directory: Location) -> dict[str, int]:
    """The path below `directory` of each file that clip-prep made, and its size."""
    lying = entries(directory)
    folders = [entry.path for entry in lying if is_own_folder(entry)]
    inside = zip(folders, in_order(entries, folders, reads_at_once(directory)), strict=True)
    found = {entry.path.name: entry.size for entry in lying if is_own(entry.path.name)}
    for folder, files in inside:
        for entry in files:
            if is_own(entry.path.name):
                found[f"{folder.name}/{entry.path.name}"] = entry.size
    return found


def is_own(name: str) -> bool:
    """Whether a file in the directory of a set, or in a folder of it, bears a name of ours."""
    match = _OURS.fullmatch(name)
    return match is not None and match["suffix"] in (None, "jsonl", *FORMATS)


def is_own_folder(entry: Entry) -> bool:
    """Whether something in the directory of a set is a folder that bears a name of ours."""
    return entry.is_folder and bool(_FOLDERS.fullmatch(entry.path.name))
