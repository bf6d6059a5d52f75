"""The settings of a set, their form in the manifest, and the manifest's schema."""

import importlib
import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from clip_prep_cli.pixels import models
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import Transform, openai
from clip_prep_cli.sets.manifest import Counts, Manifest
from clip_prep_cli.sets.settings import SetSettings

BASE = SetSettings((openai(224), openai(336)))
OTHERS = (
    replace(BASE, transforms=(openai(224),)),
    replace(BASE, transforms=(openai(288), openai(336))),
    replace(BASE, dtype="uint8"),
    replace(BASE, dtype="float16"),
    replace(BASE, format="pt"),
    replace(BASE, shard_size=1023),
    replace(BASE, exif="apply"),
)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema, as the package ships it."""
    content: dict[str, Any] = json.loads(
        files("clip_prep_cli").joinpath("manifest.schema.json").read_bytes()
    )
    return content


def manifest_of(settings: SetSettings) -> dict[str, Any]:
    """The smallest manifest of a set."""
    time = "2026-01-02T03:04:05+00:00"
    generator = {"clip-prep": "1", "python": "3", "platform": "Linux"}
    manifest = Manifest(
        settings=settings,
        created=time,
        updated=time,
        complete=False,
        generator=generator,
        history=(),
        roots=("/pictures",),
        counts=Counts(),
        shards=(),
        retry_from=None,
        failures=None,
    )
    content: dict[str, Any] = json.loads(manifest.to_bytes())
    return content


def is_valid(manifest: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether a manifest fits its schema."""
    valid: bool = (
        importlib.import_module("jsonschema").Draft202012Validator(schema).is_valid(manifest)
    )
    return valid


@pytest.mark.parametrize("settings", [BASE, *OTHERS])
def test_round_trip(settings: SetSettings, schema: dict[str, Any]) -> None:
    """The manifest holds every setting; its form fits the schema."""
    manifest = manifest_of(settings)
    assert SetSettings.from_json(json.loads(json.dumps(manifest))) == settings
    assert is_valid(manifest, schema)


def test_digest() -> None:
    """Sets of other settings have other digests; those of the same settings have the same."""
    assert len({settings.digest() for settings in (BASE, *OTHERS)}) == 1 + len(OTHERS)
    assert SetSettings((openai(224), openai(336))).digest() == BASE.digest()


def test_differences() -> None:
    """Each setting that differs is named, with both values."""
    other = SetSettings((openai(224),), "uint8", "pt", 7, "apply")
    assert BASE.differences(other) == [
        "resolutions: 224px + 336px, not 224px",
        "dtype: float32, not uint8",
        "format: npy, not pt",
        "shard-size: 1024, not 7",
        "exif: ignore, not apply",
    ]
    assert BASE.differences(replace(BASE)) == []


def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    """The schema itself is valid, and describes every field in words."""
    importlib.import_module("jsonschema").Draft202012Validator.check_schema(schema)

    def silent(part: dict[str, Any]) -> list[str]:
        found = []
        for name, field in part.get("properties", {}).items():
            named = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
            if not {**named, **field}.get("description"):
                found.append(name)
            inner = field.get("items") or {}
            found += silent(field) + silent(inner)
            found += [name for step in field.get("prefixItems", ()) for name in silent(step)]
        return found

    assert silent(schema) == []


@pytest.mark.parametrize("part", ["", "preprocessing", "tensors", "counts"])
def test_the_schema_is_closed(part: str, schema: dict[str, Any]) -> None:
    """A field too many or too few does not fit the schema."""
    for spoil in ("add", "drop"):
        manifest = manifest_of(BASE)
        level = manifest[part] if part else manifest
        if spoil == "add":
            level["surprise"] = 1
        else:
            level.popitem()
        assert not is_valid(manifest, schema), (part, spoil)


def test_generator_values_are_strings(schema: dict[str, Any]) -> None:
    """Versions are strings, whatever they are versions of."""
    manifest = manifest_of(BASE)
    manifest["generator"]["new part"] = "1.2"
    assert is_valid(manifest, schema)
    manifest["generator"]["new part"] = 1.2
    assert not is_valid(manifest, schema)


def test_a_new_model_is_a_line_in_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, OpenAI's transform has another name, and sets of it are what they were."""
    monkeypatch.setattr(models, "MODELS", {**models.MODELS, "ViT-X/1": openai(224)})
    new = SetSettings(models.transforms_of(["ViT-X/1"]))
    assert manifest_of(new) == manifest_of(SetSettings((openai(224),)))
    assert "ViT-X/1" not in json.dumps(manifest_of(new))


@pytest.mark.parametrize(
    "fields",
    [
        {"transforms": (openai(224), Transform(224, 224, mean=(0.5, 0.5, 0.5)))},
        {"transforms": (openai(256),)},
        {"reference": replace(OPENAI, name="other")},
    ],
    ids=["statistics", "size", "reference"],
)
def test_what_the_manifest_cannot_say_is_refused(fields: dict[str, Any]) -> None:
    """Format version 1 has neither transforms nor references; nothing is recorded as another."""
    with pytest.raises(ValueError, match="format version 1"):
        replace(BASE, **fields)
