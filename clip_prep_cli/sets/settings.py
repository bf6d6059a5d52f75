"""The settings that the bytes of a set depend on, and their part of its manifest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import xxhash

from clip_prep_cli.pixels.models import openai_models
from clip_prep_cli.pixels.references import OPENAI, Reference
from clip_prep_cli.pixels.transforms import OPENAI_MEAN, OPENAI_STD, Transform, openai
from clip_prep_cli.sets.layout import Layout
from clip_prep_cli.sets.names import folder_of


@dataclass(frozen=True)
class SetSettings:
    """One set's settings; they cannot change within it.

    Raises:
        ValueError: format version 1 cannot hold them.
    """

    transforms: tuple[Transform, ...]
    dtype: str = "float32"
    format: str = "npy"
    shard_size: int = 1024
    exif: str = "ignore"
    reference: Reference = OPENAI

    def __post_init__(self) -> None:
        if self.reference != OPENAI or not all(map(openai_models, self.transforms)):
            raise ValueError("format version 1 is for OpenAI's models and reference")

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The tensor files of a shard."""
        return tuple(Layout(each, self.dtype, self.format) for each in self.transforms)

    def to_json(self) -> dict[str, Any]:
        """The part of the manifest that the settings decide."""
        return {
            "preprocessing": self._preprocessing(),
            "tensors": {
                "format": self.format,
                "dtype": self.dtype,
                "byte_order": "little",
                "layout": "NCHW",
                "normalized": self.dtype != "uint8",
                "shard_size": self.shard_size,
            },
            "resolutions": [
                {"n_px": each.side, "folder": folder_of(each), "models": list(openai_models(each))}
                for each in self.transforms
            ],
        }

    @classmethod
    def from_json(cls, manifest: Mapping[str, Any]) -> Self:
        """The settings of the set that `manifest` describes."""
        tensors = manifest["tensors"]
        return cls(
            transforms=tuple(openai(entry["n_px"]) for entry in manifest["resolutions"]),
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
        theirs = other._words()  # noqa: SLF001 - of the same class
        return [
            f"{name}: {mine}, not {theirs[name]}"
            for name, mine in self._words().items()
            if mine != theirs[name]
        ]

    def _words(self) -> dict[str, str]:
        return {
            "resolutions": " + ".join(map(folder_of, self.transforms)),
            "dtype": self.dtype,
            "format": self.format,
            "shard-size": str(self.shard_size),
            "exif": self.exif,
            "reference": self.reference.name,
        }

    def _preprocessing(self) -> dict[str, Any]:
        """The reference in words and constants, in the order of its steps."""
        steps = [
            {"step": "decode", "frame": 0, "exif_orientation": self.exif},
            *self.reference.steps(),
            {"step": "normalize", "mean": list(OPENAI_MEAN), "std": list(OPENAI_STD)},
        ]
        return {"reference": self.reference.source, "exif": self.exif, "steps": steps}
