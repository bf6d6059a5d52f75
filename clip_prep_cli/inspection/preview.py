"""A contact sheet of a set: what the model will see, what the crop cuts away, or what failed."""

import math
import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from clip_prep_cli.errors import CannotContinueError, UsageError
from clip_prep_cli.inspection.output_file import check_output, write_output
from clip_prep_cli.inspection.sheet import Box, Cell, draw_sheet
from clip_prep_cli.inspection.thumbnails import MOST_BYTES, Originals, libraries_silenced
from clip_prep_cli.pixels.models import openai_models, transform_of
from clip_prep_cli.pixels.normalize import denormalize
from clip_prep_cli.samples.records import Record
from clip_prep_cli.sets.layout import Layout
from clip_prep_cli.sets.settings import SetSettings
from clip_prep_cli.sets.stored import StoredSet
from clip_prep_cli.sources.find_again import find
from clip_prep_cli.storage.interface import Storage


@dataclass(frozen=True)
class Request:
    """Which sheet is wanted."""

    directory: Storage
    out: Path
    count: int
    seed: int
    columns: int | None = None
    n_px: int | None = None
    """None: the set's first resolution."""
    model: str | None = None
    """Whose resolution `n_px` is, if it was asked for by name."""
    failures: bool = False
    crop: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: with the reason.
        """
        if self.failures and self.crop:
            raise UsageError("--crop does not work with --failures.", "Drop one of them.")
        check_output(self.out, self.directory)
        if self.out.suffix.lower() != ".png":
            raise UsageError(
                f"{self.out} does not end in .png, but a sheet is a PNG file.",
                f"Use `-o {self.out.with_suffix('.png')}`.",
            )


class Shown(NamedTuple):
    """What a cell of a sheet is of."""

    path: str
    """Of the source, absolute."""
    shard: int | None
    row: int | None
    """None: it failed."""
    note: str
    """What the caption says below the path."""
    box: Box


@dataclass(frozen=True)
class Preview:
    """A sheet that was written."""

    request: Request
    layout: Layout
    total: int
    """Of how many images, or failures, those on the sheet were chosen."""
    columns: int
    width: int
    height: int
    bytes: int
    shown: tuple[Shown, ...]


class _Subject(NamedTuple):
    """An image or a failure on its way to the sheet."""

    cell: Cell
    path: str
    shard: int | None = None
    row: int | None = None


def preview(request: Request) -> Preview:
    """Draw the sheet that is wanted and write it.

    Raises:
        UsageError: the set has no such resolution.
        CannotContinueError: there is no set or nothing to show, or the sheet cannot be written.
        DamagedError: something that the sheet needs is not as it was written.
        OSError: it cannot be read.
    """
    stored = StoredSet(request.directory)
    layout = _layout(stored.manifest.settings, request)
    originals = Originals(layout.transform, upright=stored.manifest.settings.exif == "apply")
    total = sum(1 for _ in stored.failures()) if request.failures else len(stored)
    numbers = _choose(request, total)
    with libraries_silenced():
        if request.failures:
            chosen = list(_failures(stored, set(numbers), originals))
        else:
            chosen = list(_images(stored, layout, numbers, originals if request.crop else None))
    if not chosen:
        raise _nothing(request)
    columns = min(request.columns or math.ceil(math.sqrt(len(chosen))), len(chosen))
    heading = _heading(request, layout, len(chosen), total)
    sheet = draw_sheet(heading, [each.cell for each in chosen], layout.transform.side, columns)
    content = sheet.png()
    write_output(request.out, content)
    return Preview(
        request=request,
        layout=layout,
        total=total,
        columns=columns,
        width=sheet.image.width,
        height=sheet.image.height,
        bytes=len(content),
        shown=tuple(
            Shown(each.path, each.shard, each.row, each.cell.note, box)
            for each, box in zip(chosen, sheet.boxes, strict=True)
        ),
    )


def _layout(settings: SetSettings, request: Request) -> Layout:
    if request.model:
        fitting = [at for at in settings.layouts if at.transform == transform_of(request.model)]
    else:
        wanted = request.n_px or settings.transforms[0].side
        fitting = [at for at in settings.layouts if at.transform.side == wanted]
    if not fitting:
        there = " or ".join(f"--resolution {at.transform.side}" for at in settings.layouts)
        raise UsageError(
            f"The set in {request.directory} has no {request.n_px}px tensors.", f"Use {there}."
        )
    return fitting[0]


def _choose(request: Request, total: int) -> list[int]:
    """The numbers of what is shown, ascending: the same ones for the same seed."""
    order = random.Random(request.seed)  # noqa: S311 - not for secrets
    return sorted(order.sample(range(total), min(request.count, total)))


def _nothing(request: Request) -> CannotContinueError:
    what, remedy = "images", "Add --failures to show what could not be converted."
    if request.failures:
        what, remedy = "failures", "Drop --failures to show its images."
    return CannotContinueError(f"The set in {request.directory} has no {what} to show.", remedy)


def _heading(request: Request, layout: Layout, shown: int, total: int) -> tuple[str, ...]:
    models = request.model or ", ".join(openai_models(layout.transform))
    what = "failures" if request.failures else "images"
    chosen = f"{shown:,} of {total:,} {what}"
    if shown < total:
        chosen += f", random seed {request.seed}"
    if request.crop:
        chosen += "; dimmed: removed by the crop"
    name = request.directory.absolute().name
    return name, f"{layout.folder} {layout.dtype}: {models}", chosen


def _images(
    stored: StoredSet, layout: Layout, numbers: Iterable[int], originals: Originals | None
) -> Iterator[_Subject]:
    records = {number: stored.record(number) for number in numbers}
    pictures = _cut(stored, records, originals) if originals else {}
    for number, record in records.items():
        shard, row = stored.place(number)
        picture = pictures.get(number)
        note = f"stored row: {picture}" if isinstance(picture, str) else ""
        if not isinstance(picture, Image.Image):
            data = stored.rows.row(layout, shard, row, record)
            reference = stored.manifest.settings.reference
            picture = Image.fromarray(denormalize(data, layout.transform, layout.dtype, reference))
        path = stored.source(record)
        yield _Subject(Cell(picture, record.sample.path, note), path, shard, row)


def _cut(
    stored: StoredSet, records: Mapping[int, Record], originals: Originals
) -> dict[int, Image.Image | str]:
    wanted = ((number, record.sample) for number, record in records.items())
    return {
        found.key: originals.cut(found.source, records[found.key])
        for some in find(stored.manifest.roots, wanted, MOST_BYTES)
        for found in some.found
    }


def _failures(
    stored: StoredSet, numbers: Collection[int], originals: Originals
) -> Iterator[_Subject]:
    chosen = [each for number, each in enumerate(stored.failures()) if number in numbers]
    pictures = {
        found.key: originals.damaged(found)
        for some in find(
            stored.manifest.roots, ((each, each.sample) for each in chosen), MOST_BYTES
        )
        for found in some.found
    }
    for failure in chosen:
        note = f"{failure.reason}: {failure.detail}"
        cell = Cell(pictures[failure], failure.sample.path, note, failure.reason)
        yield _Subject(cell, stored.source(failure))
