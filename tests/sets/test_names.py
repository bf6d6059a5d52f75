"""A folder's name says which transform its rows have."""

import struct
from pathlib import Path
from typing import Any

import pytest
import xxhash

from clip_prep_cli.pixels import transforms
from clip_prep_cli.pixels.transforms import Transform, openai
from clip_prep_cli.sets.names import folder_of, is_own, own_folders
from clip_prep_cli.storage.local import LocalStorage

HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
OWN = (0.25, 0.5, 0.75, 0.125, 0.25, 0.5)
OWN_DIGEST = xxhash.xxh3_128_hexdigest(struct.pack("<ffffff", *OWN))[:8]


class AnyTransform(Transform):
    """As `Transform`, for those too whose pixels cannot be made yet."""

    def __post_init__(self) -> None:
        """Refuse nothing."""


NAMES: list[tuple[dict[str, Any], str]] = [
    ({}, "384px"),
    ({"height": 240, "width": 320}, "240x320px"),
    ({"resize": "squash", **HALF}, "384px-squash-half"),  # SigLIP
    ({"resize": "squash", "filter": "bilinear", **HALF}, "384px-squash-bilinear-half"),  # PE-Core
    ({"resize": "longest"}, "384px-longest"),
    ({"resize": "longest", "fill": 7}, "384px-longest-fill7"),
    ({"filter": "bilinear", **UNIT}, "384px-bilinear-unit"),  # MobileCLIP
    ({"resize": "squash", "filter": "bilinear", **IMAGENET}, "384px-squash-bilinear-imagenet"),
    ({"mean": OWN[:3], "std": OWN[3:]}, f"384px-stats-{OWN_DIGEST}"),
    ({**HALF, "std": transforms.OPENAI_STD}, ""),
]


@pytest.mark.parametrize(("fields", "name"), NAMES)
def test_folders(fields: dict[str, Any], name: str, tmp_path: Path) -> None:
    """The size, and each departure from OpenAI's transform, in one order."""
    transform = AnyTransform(**{"height": 384, "width": 384, **fields})
    folder = folder_of(transform)
    assert folder == name or (name == "" and folder.startswith("384px-stats-"))
    (tmp_path / folder).mkdir()
    assert own_folders(LocalStorage(tmp_path).entries()) == [folder]


def test_every_transform_has_a_folder_of_its_own() -> None:
    """No two of these share one."""
    folders = {folder_of(AnyTransform(**{"height": 384, "width": 384, **f})) for f, _ in NAMES}
    assert len(folders) == len(NAMES)
    assert folder_of(openai(384)) in folders


@pytest.mark.parametrize("name", ["384", "px", "384px-", "384px-half-squash", "384px-stats-1", "x"])
def test_other_folders_are_not_ours(name: str, tmp_path: Path) -> None:
    """What no transform is called may be anybody's."""
    (tmp_path / name).mkdir()
    assert own_folders(LocalStorage(tmp_path).entries()) == []


def test_files() -> None:
    """Tensor files are known by the suffixes of the formats that there are."""
    for name in ("npy", "pt", "jsonl", "npy.12.partial", "pt.1.partial"):
        assert is_own(f"shard-000001.{name}")
    for name in ("raw", "npy.partial", "npy.bak", ""):
        assert not is_own(f"shard-000001.{name}")
