"""`clip-prep info`: what is in a set, and how it was made."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from clip_prep_cli.cli.options import JSON, SET, all_of
from clip_prep_cli.cli.output import show
from clip_prep_cli.common.wording import images, printable, shards, size_text
from clip_prep_cli.pixels.models import openai_models

if TYPE_CHECKING:
    from clip_prep_cli.inspection.info import Info
    from clip_prep_cli.sets.manifest import Era, Manifest

_WIDTH = 80
_LABEL = 12
_ROOTS_SHOWN = 10
_GLUE = "\xa0"  # a space at which no line is broken; `printable` leaves none in a name


@click.command
@all_of(SET, JSON)
def info(**options: Any) -> None:  # noqa: ANN401
    """Show what is in the set in DIR and how it was made."""
    from clip_prep_cli.inspection.info import info

    found = info(options["directory"])
    show(information_result(found), information(found), as_json=options["as_json"])


def information(info: "Info") -> str:
    """What is in a set, in aligned lines."""
    blocks = (_content(info), _tensors(info), _sources(info), _making(info))
    return "\n\n".join("\n".join(block) for block in map(list, blocks) if block)


def information_result(info: "Info") -> dict[str, Any]:
    """What is in a set, for `--json`."""
    manifest, sources = info.manifest, info.sources
    counts = manifest.counts
    return {
        "directory": str(info.directory),
        "complete": manifest.complete,
        "running": info.running,
        "created": manifest.created,
        "updated": manifest.updated,
        "generator": dict(manifest.generator),
        "history": [era.to_json() for era in manifest.history],
        **manifest.settings.to_json(),
        "settings_digest": manifest.settings.digest(),
        "roots": list(manifest.roots),
        "images": sources.images,
        "rows": info.rows,
        "superseded": counts.superseded,
        "failures": dict(info.failures),
        "ignored": counts.ignored,
        "shards": len(manifest.shards),
        "bytes": info.bytes,
        "files": dict(info.files),
        "sources": {
            "bytes": sources.bytes,
            "formats": dict(sources.formats),
            "modes": dict(sources.modes),
            "pixels": sources.sizes and sources.sizes.pixels._asdict(),
            "duplicates": sources.duplicates,
        },
    }


def _content(info: "Info") -> Iterator[str]:
    counts = info.manifest.counts
    yield _line("Set", printable(str(info.directory)))
    superseded = f" in {info.rows:,} rows; {counts.superseded:,} superseded"
    yield _line("Images", f"{info.sources.images:,}" + (superseded if counts.superseded else ""))
    failed = sum(info.failures.values())
    reasons = ": " + _most_first(info.failures) if failed else ""
    yield from _wrapped("Failed", f"{failed:,}{reasons}")
    if counts.ignored:
        files = "other file" + "s" * (counts.ignored != 1)
        yield _line("Skipped", f"{counts.ignored:,} {files} in the last run")
    yield from _wrapped("Complete", _completeness(info))


def _completeness(info: "Info") -> str:
    if info.running:
        return "not yet: a run is in progress"
    if info.manifest.complete:
        return "yes"
    return "no: the last run did not finish; run the same command again"


def _tensors(info: "Info") -> Iterator[str]:
    settings = info.manifest.settings
    normalized = "not normalized" if settings.dtype == "uint8" else "normalized"
    yield _line("Tensors", f"{settings.dtype}, {normalized}, .{settings.format}")
    count = len(info.manifest.shards)
    yield _line("", f"{shards(count)} of up to {images(settings.shard_size)}")
    upright = settings.exif == "apply"
    yield _line(
        "EXIF", "applied: images are turned upright first" if upright else "ignored, as CLIP does"
    )
    folders = {layout.folder: openai_models(layout.transform) for layout in settings.layouts}
    sizes = {folder: size_text(info.files.get(folder, 0)) for folder in folders}
    sizes["total"] = size_text(info.bytes)
    width = max(map(len, sizes.values()))
    for number, (folder, size) in enumerate(sizes.items()):
        models = ", ".join(folders.get(folder, ("including indexes and manifest",)))
        yield from _wrapped("" if number else "On disk", f"{folder:<8}{size:>{width}}  ", models)


def _sources(info: "Info") -> Iterator[str]:
    sources = info.sources
    if sources.sizes is None:
        return
    yield _line("Sources", f"{size_text(sources.bytes)} in {sources.images:,} files")
    yield from _wrapped("Formats", _most_first(sources.formats))
    yield from _wrapped("Modes", _most_first(sources.modes))
    smallest, median, largest = map(_megapixels, sources.sizes.pixels)
    yield _line("Megapixels", f"{smallest} to {largest}, median {median}")
    same = f"{images(sources.duplicates)} with the same content as another"
    yield _line("Duplicates", same if sources.duplicates else "none")


def _megapixels(count: int) -> str:
    if count < 10_000:
        return "<0.01"
    return f"{count / 1e6:.3g}" if count < 99_950_000 else f"{count / 1e6:,.0f}"


def _making(info: "Info") -> Iterator[str]:
    manifest = info.manifest
    for number, root in enumerate(manifest.roots[:_ROOTS_SHOWN]):
        yield _line("" if number else "Roots", printable(root))
    if len(manifest.roots) > _ROOTS_SHOWN:
        yield _line("", f"... and {len(manifest.roots) - _ROOTS_SHOWN:,} more")
    yield _line("Created", _time(manifest.created))
    yield _line("Updated", _time(manifest.updated))
    yield from _eras(manifest)


def _eras(manifest: "Manifest") -> Iterator[str]:
    """With what it was made: all versions, and of later ones those that are others."""
    if len(manifest.history) <= 1:
        yield from _wrapped("Made with", _versions(manifest.generator))
        return
    for number, (era, others) in enumerate(manifest.eras()):
        yield _line("" if number else "History", _era_words(era))
        yield from _wrapped("", "  ", _versions(others) or "the same versions")


def _era_words(era: "Era") -> str:
    what = "compacted" if era.action == "compact" else "converted"
    return f"from shard {era.from_shard}, {_time(era.since)}, {what} with"


def _versions(generator: Mapping[str, str]) -> str:
    return ", ".join(f"{name}{_GLUE}{printable(version)}" for name, version in generator.items())


def _time(text: str) -> str:
    """A time of a manifest without the ballast."""
    return printable(text).replace("T", " ").replace("+00:00", " UTC")


def _most_first(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,}{_GLUE}{printable(name)}" for name, count in counts.items())


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}"


def _wrapped(label: str, text: str, more: str = "") -> Iterable[str]:
    """As many lines as it takes; `more` hangs below itself."""
    first = _line(label, text if more else "")
    lines = textwrap.wrap(
        more or text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]
