"""The settings that the bytes of a set depend on, and their part of its manifest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import xxhash

from clip_prep_cli.pixels.models import MEAN, STD, models_at
from clip_prep_cli.sets.layout import Layout


@dataclass(frozen=True)
class SetSettings:
    """One set's settings; they cannot change within it."""

    resolutions: tuple[int, ...]
    dtype: str = "float32"
    format: str = "npy"
    shard_size: int = 1024
    exif: str = "ignore"

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The tensor files of a shard."""
        return tuple(Layout(n_px, self.dtype, self.format) for n_px in self.resolutions)

    def to_json(self) -> dict[str, Any]:
        """The part of the manifest that the settings decide."""
        return {
            "preprocessing": _preprocessing(self.exif),
            "tensors": {
                "format": self.format,
                "dtype": self.dtype,
                "byte_order": "little",
                "layout": "NCHW",
                "normalized": self.dtype != "uint8",
                "shard_size": self.shard_size,
            },
            "resolutions": [
                {"n_px": at.n_px, "folder": at.folder, "models": list(models_at(at.n_px))}
                for at in self.layouts
            ],
        }

    @classmethod
    def from_json(cls, manifest: Mapping[str, Any]) -> Self:
        """The settings of the set that `manifest` describes."""
        tensors = manifest["tensors"]
        return cls(
            resolutions=tuple(entry["n_px"] for entry in manifest["resolutions"]),
            dtype=tensors["dtype"],
            format=tensors["format"],
            shard_size=tensors["shard_size"],
            exif=manifest["preprocessing"]["exif"],
        )

    def digest(self) -> str:
        """Equal for two sets exactly if they treat the same image the same way (xxh3_128, hex)."""
        return xxhash.xxh3_128_hexdigest(json.dumps(self.to_json(), sort_keys=True).encode())

    def differences(self, other: "SetSettings") -> list[str]:
        """The settings that are not equal: `name: mine, not theirs`."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return [
            f"{name.replace('_', '-')}: {_words(mine)}, not {_words(theirs)}"
            for name, mine, theirs in pairs
            if mine != theirs
        ]


def _words(value: object) -> str:
    return " + ".join(f"{n}px" for n in value) if isinstance(value, tuple) else str(value)


def _preprocessing(exif: str) -> dict[str, Any]:
    """The reference transform in words and constants, in its order."""
    steps = [
        {"step": "decode", "frame": 0, "exif_orientation": exif},
        {
            "step": "resize",
            "short_side": "n_px",
            "long_side": "int(n_px * long / short)",
            "filter": "bicubic, a = -0.5, antialiased (Pillow); nearest for the modes 1 and P",
        },
        {"step": "center_crop", "side": "n_px", "offset": "(size - n_px) / 2, half to even"},
        {"step": "convert", "mode": "RGB"},
        {"step": "to_tensor", "divisor": 255},
        {"step": "normalize", "mean": list(MEAN), "std": list(STD)},
    ]
    return {"reference": "openai/CLIP, clip/clip.py, _transform", "exif": exif, "steps": steps}
