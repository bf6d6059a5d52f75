"""The command line: options to a `Job`, a `Report` to text or JSON. The only module that prints.

What takes time to import is imported where it is used: `--help` must not wait for it.
"""

import json
import os
import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import click

from clip_prep_cli.errors import BusyError, ClipPrepError, UsageError
from clip_prep_cli.options import convert_options
from clip_prep_cli.pixels.models import MODELS, resolutions

if TYPE_CHECKING:
    from clip_prep_cli.job import Job
    from clip_prep_cli.run import Report
    from clip_prep_cli.scan import Tally

EXIT_CANNOT_CONTINUE = 1
EXIT_USAGE = 2
EXIT_FAILURES = 3
EXIT_BUSY = 75

_LOG_SECONDS = 30.0
_BAR_FORMAT = "{percentage:3.0f}% |{bar}| {n:,}/{total:,} [{rate_fmt}, {remaining} left{postfix}]"


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done; 1 cannot go on; 2 wrong usage; 3 too many images failed; "
    "75 another run holds the output; 130/143 stopped by a signal.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False,
              callback=lambda ctx, _, value: _show_version(ctx) if value else None,
              help="The versions that decide over the pixels.")  # fmt: skip
def cli() -> None:
    """Directories of images in, CLIP input tensors out, bit for bit.

    Each image becomes exactly the tensor that the transform of openai/CLIP gives.
    """


@cli.command()
@convert_options
def convert(**options: Any) -> None:  # noqa: ANN401
    """Convert images to CLIP input tensors.

    INPUT is a directory, which is walked for images, or an image file. Run the same command again
    to convert what is new or changed. Each option can also be set by an environment variable:
    --shard-size by CLIP_PREP_SHARD_SIZE, and so on.
    """
    try:
        _convert(options)
    except ClipPrepError as error:
        _fail(error)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def models(*, as_json: bool) -> None:
    """The model names and their resolutions."""
    if as_json:
        click.echo(json.dumps(dict(MODELS)))
        return
    for name, n_px in MODELS.items():
        click.echo(f"{name:<16}{n_px} px")


def _convert(options: dict[str, Any]) -> None:
    from clip_prep_cli.execute import Watch
    from clip_prep_cli.run import dry_run, run

    job = _job(options)
    if options["dry_run"]:
        _show(dry_run(job), options)
        return
    stop = _StopSignal()
    with _Progress(quiet=options["quiet"]) as progress:
        report = run(job, Watch(progress.update, stop.received))
    if job.resize == "native" and report.resize_backend.startswith("pillow"):
        click.echo(f"Resized with {report.resize_backend}: same bytes, but slower.", err=True)
    _show(report, options)
    if stop.number and not report.complete:
        sys.exit(128 + stop.number)
    too_many = options["max_failures"].exceeded(report.failed, report.tally.listed)
    if too_many or not report.complete:  # incomplete without a signal: --fail-fast
        sys.exit(EXIT_FAILURES)


def _job(options: dict[str, Any]) -> "Job":
    from clip_prep_cli.cpus import usable_cpus
    from clip_prep_cli.job import Job
    from clip_prep_cli.manifest import SetSettings
    from clip_prep_cli.sources import Selection

    return Job(
        inputs=options["inputs"],
        out=options["out"],
        settings=SetSettings(
            resolutions(options["models"]),
            options["dtype"],
            options["format_"],
            options["shard_size"],
            options["exif"],
        ),
        workers=options["workers"] or usable_cpus(),
        selection=Selection(
            options["include"], options["exclude"], options["hidden"], options["follow_links"]
        ),
        max_pixels=options["max_pixels"],
        timeout=options["timeout"],
        fail_fast=options["fail_fast"],
        retry_failed=options["retry_failed"],
        overwrite=options["overwrite"],
        resize=options["resize"],
    )


class _StopSignal:
    """The first SIGINT or SIGTERM asks for an orderly end; the second one ends at once."""

    def __init__(self) -> None:
        self.number = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def received(self) -> bool:
        return self.number != 0

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.number = number
        signal.signal(number, signal.SIG_DFL)
        # Not click.echo: the signal may have come in the middle of a write to the same stream.
        os.write(2, b"\nStopping after the images in flight; once more to stop at once.\n")


class _Progress:
    """On stderr: a bar on a terminal, a line now and then elsewhere, or nothing."""

    def __init__(self, *, quiet: bool) -> None:
        self._began = self._logged = time.monotonic()
        self._quiet = quiet
        self._bar: Any = None
        if not quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(unit=" images", bar_format=_BAR_FORMAT, total=0, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, tally: "Tally") -> None:
        if self._bar is not None:
            self._bar.total = tally.planned
            more = "" if tally.scanned else ", still listing"
            self._bar.set_postfix_str(f"{tally.failed:,} failed{more}", refresh=False)
            self._bar.update(tally.converted + tally.failed - self._bar.n)
        elif not self._quiet and (now := time.monotonic()) - self._logged >= _LOG_SECONDS:
            from clip_prep_cli.display import progress_line

            self._logged = now
            click.echo(progress_line(tally, now - self._began), err=True)


def _show(report: "Report", options: dict[str, Any]) -> None:
    from clip_prep_cli.display import result, summary

    if options["as_json"]:
        click.echo(json.dumps(result(report)))
    elif not options["quiet"] or report.failed or not report.complete:
        click.echo(summary(report, every_failure=options["verbose"]))


def _show_version(ctx: click.Context) -> NoReturn:
    from clip_prep_cli.pixels.native import best_kernel, resize_backend
    from clip_prep_cli.versions import package_versions, pixel_versions

    versions = package_versions() | pixel_versions(resize_backend(best_kernel()))
    for name, version in versions.items():
        click.echo(f"{name} {version}")
    ctx.exit()


def _fail(error: ClipPrepError) -> NoReturn:
    from clip_prep_cli.display import printable

    for line in error.lines:
        click.echo(printable(line), err=True)
    status = {UsageError: EXIT_USAGE, BusyError: EXIT_BUSY}
    sys.exit(status.get(type(error), EXIT_CANNOT_CONTINUE))
