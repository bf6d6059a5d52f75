"""The package from Python: one image to an array, and the whole job of the command."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.common.versions import Change, versions_warning
from clip_prep_cli.errors import ImageError, UsageError
from clip_prep_cli.pixels.decode import Decoder, reason_of
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS
from clip_prep_cli.pixels.models import transform_of
from clip_prep_cli.pixels.native import best_kernel
from clip_prep_cli.pixels.pipeline import Pipeline, as_pixels
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.run.convert import Report, run
from clip_prep_cli.run.convert import dry_run as list_only
from clip_prep_cli.run.execute import Watch
from clip_prep_cli.run.job import make_job
from clip_prep_cli.run.options import ConvertOptions
from clip_prep_cli.run.scan import Tally

_DTYPES = ("float32", "float16", "uint8")


def preprocess(
    image: Image.Image | str | os.PathLike[str] | bytes,
    model: str = "ViT-B/32",
    dtype: str = "float32",
) -> NDArray[Any]:
    """The CLIP input tensor of one image: the same bits as in a shard.

    Args:
        image: A Pillow image, or the path or the bytes of an image file.
        model: One of OpenAI's names; see `clip_prep_cli.pixels.models.MODELS`.
        dtype: `float32`, `float16`, or `uint8` for the cropped pixels, not normalized.

    Returns:
        [3, n_px, n_px] of `dtype`.

    Raises:
        UsageError: there is no such model or dtype.
        ImageError: the image cannot be converted.
        OSError: the file cannot be read.
    """
    transform = transform_of(model)
    if dtype not in _DTYPES:
        raise UsageError(f"dtype cannot be {dtype!r}.", f"Use one of {', '.join(_DTYPES)}.")
    name = "image" if isinstance(image, bytes | Image.Image) else os.fspath(image)
    if not isinstance(image, bytes | Image.Image):
        image = Path(image).read_bytes()
    pipeline = Pipeline(transform, dtype, OPENAI, best_kernel())
    out = np.empty(pipeline.shape, pipeline.table.dtype)
    try:
        if isinstance(image, bytes):
            pixels = Decoder(DEFAULT_MAX_PIXELS).decode(memoryview(image)).pixels
        else:
            pixels = as_pixels(image, OPENAI)
        pipeline.fill(pixels, out)
    # Decoders raise whatever they like; see the boundary in `worker`.
    except Exception as error:
        raise ImageError(*reason_of(error), name) from error
    return out


def convert(
    inputs: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    model: str | Iterable[str],
    out: str | os.PathLike[str],
    *,
    on_progress: Callable[[Tally], None] = lambda _: None,
    dry_run: bool = False,
    **options: Unpack[ConvertOptions],
) -> Report:
    """What `clip-prep convert` does, with the same options; several calls may follow each other.

    Args:
        inputs: Directories, archives and image files.
        model: A model's name, several, or `all`.
        out: Where the tensors go.
        on_progress: Called in this thread, a few times a second, with how far the run is. What it
            raises ends the run, as Ctrl-C does: in order, with what is sealed kept.
        dry_run: Change nothing, and report what would be done.
        **options: As on the command line; `executor` may also be a `concurrent.futures.Executor`,
            of which `slots` says how many tasks it can run at once.

    Raises:
        UsageError: the options contradict each other or what is on disk.
        BusyError: another run writes to the output.
        CannotContinueError: no images, no space, a set with other settings, ...
    """
    several = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    models = [model] if isinstance(model, str) else model
    job = make_job(several, models, out, options)
    if dry_run:
        return list_only(job)
    return run(job, Watch(on_progress, _warn, on_waiting=_tell))


def _warn(changes: Sequence[Change]) -> None:
    warnings.warn(versions_warning(changes), stacklevel=2)


def _tell(line: str) -> None:
    warnings.warn(line, stacklevel=2)
