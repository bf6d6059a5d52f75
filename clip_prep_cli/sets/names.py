"""What clip-prep made of what lies in a directory, told by names and places."""

import re

from clip_prep_cli.common.threads import in_order
from clip_prep_cli.storage.location import Entry, Location, entries, reads_at_once

_OURS = re.compile(
    r"(shard-\d{6,}\.(npy|pt|jsonl)|manifest\.json|failures\.jsonl)(\.\d+\.partial)?"
    r"|sources-\d{6,}\.\d+\.partial"
    r"|\.clip-prep\.lock\.\d+\.partial"
)
_FOLDERS = re.compile(r"\d+px|index")


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
    return bool(_OURS.fullmatch(name))


def is_own_folder(entry: Entry) -> bool:
    """Whether something in the directory of a set is a folder that bears a name of ours."""
    return entry.is_folder and bool(_FOLDERS.fullmatch(entry.path.name))
