"""The command line: options to a `Job`, a `Report` to text or JSON. The only module that prints.

What takes time to import is imported where it is used: `--help` must not wait for it.
"""

import errno
import json
import logging
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from clip_prep_cli.convert_options import EPILOG, convert_options, job_of
from clip_prep_cli.errors import BusyError, CannotContinueError, ClipPrepError, UsageError
from clip_prep_cli.options import (
    compact_options,
    info_options,
    preview_options,
    report_options,
    request_of,
    verify_options,
)
from clip_prep_cli.pixels.models import MODELS
from clip_prep_cli.sections import SectionCommand
from clip_prep_cli.stopping import StopSignal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clip_prep_cli.progress import Progress
    from clip_prep_cli.run import Report
    from clip_prep_cli.versions import Change

EXIT_CANNOT_CONTINUE = 1
EXIT_USAGE = 2
EXIT_FAILURES = 3
EXIT_DIFFERENCE = 4
EXIT_BUSY = 75

_BAR_FORMAT = "{percentage:3.0f}% |{bar}| {n:,}/{total:,} [{rate_fmt}, {remaining} left{postfix}]"


class _Commands(click.Group):
    """Commands whose errors are words."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as Click declares it
        with _errors_in_words():
            return super().invoke(ctx)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done; 1 cannot go on; 2 wrong usage; 3 too many images failed; "
    "4 verify found a difference; 75 another run holds the output; 130/143 stopped by a signal.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False,
              callback=lambda ctx, _, value: _show_version(ctx) if value else None,
              help="The versions that decide over the pixels.")  # fmt: skip
def cli() -> None:
    """Directories of images in, CLIP input tensors out, bit for bit.

    Each image becomes exactly the tensor that the transform of openai/CLIP gives.
    """
    if sys.getfilesystemencoding() != "utf-8":  # a set would know the same file by another name
        problem = f"Python reads file names as {sys.getfilesystemencoding()} here, not as UTF-8."
        _fail(UsageError(problem, "Set PYTHONUTF8=1 in the environment."))


@cli.command(cls=SectionCommand, epilog=EPILOG)
@convert_options
def convert(**options: Any) -> None:  # noqa: ANN401
    """Convert images to CLIP input tensors.

    INPUT, a path or a URL, is a directory, which is walked for images, or an archive (.tar,
    .tar.gz, .tgz, .tar.zst, .zip), or an image file. Run the same command again to convert what is
    new or changed.
    """
    from clip_prep_cli.display import versions_warning
    from clip_prep_cli.execute import Watch
    from clip_prep_cli.run import dry_run, run

    job = job_of(options)
    if options["dry_run"]:
        _show(dry_run(job), options)
        return
    stop = _stop_signal()
    with _progress(quiet=options["quiet"]) as progress:

        def tell(line: str) -> None:
            progress.clear()
            _say(line)

        def warn(changes: "Sequence[Change]") -> None:
            tell(versions_warning(changes))

        report = run(job, Watch(progress.update, warn, stop.received, tell))
    if job.resize == "native" and report.resize_backend.startswith("pillow"):
        _say(f"Resized with {report.resize_backend}: same bytes, but slower.")
    status = 0
    if stop.number and not report.complete:
        status = 128 + stop.number
    elif options["max_failures"].exceeded(report.failed, report.tally.listed) or (
        not report.complete  # without a signal: --fail-fast
    ):
        status = EXIT_FAILURES
    if status or not options["quiet"] or options["as_json"]:
        _show(report, options)
    sys.exit(status)


@cli.command()
@verify_options
def verify(**options: Any) -> None:  # noqa: ANN401
    """Check that the set in DIR is as it was written.

    Every file, header, row and index is compared with the checksums in the manifest. Exit status 4
    if anything differs; a source that has changed since it was converted is told, but is no fault.
    """
    from clip_prep_cli.cpus import usable_cpus
    from clip_prep_cli.display_set import verification, verification_result
    from clip_prep_cli.verify import verify

    workers = options["workers"] or usable_cpus()
    with _progress(quiet=options["quiet"], unit="rows") as progress:
        found = verify(options["directory"], options["sources"], workers, progress.count)
    if options["as_json"]:
        click.echo(json.dumps(verification_result(found)))
    elif found.faults or not options["quiet"]:
        click.echo(verification(found))
    if found.faults:
        sys.exit(EXIT_DIFFERENCE)


@cli.command()
@compact_options
def compact(**options: Any) -> None:  # noqa: ANN401
    """Rewrite the set in DIR into full shards without superseded rows.

    The new shards have the bytes that a fresh run over the images would give. The old ones stay
    until all new ones are committed, so there must be room for both.
    """
    from clip_prep_cli.compact import Observer, compact
    from clip_prep_cli.display_set import compaction, compaction_result

    stop = _stop_signal()
    with _progress(quiet=options["quiet"], unit="rows") as progress:
        observer = Observer(progress.count, stop.received)
        done = compact(options["directory"], observer, dry_run=options["dry_run"])
    if options["as_json"]:
        click.echo(json.dumps(compaction_result(done)))
    elif not options["quiet"] or not done.complete:
        click.echo(compaction(done))
    if not done.complete:
        sys.exit(128 + stop.number)


@cli.command()
@info_options
def info(**options: Any) -> None:  # noqa: ANN401
    """What is in the set in DIR, and how it was made."""
    from clip_prep_cli.display_info import information, information_result
    from clip_prep_cli.info import info

    found = info(options["directory"])
    as_json = options["as_json"]
    click.echo(json.dumps(information_result(found)) if as_json else information(found))


@cli.command()
@preview_options
def preview(**options: Any) -> None:  # noqa: ANN401
    """Draw some of the images in DIR as the model will see them.

    The sheet shows stored rows, turned back into pixels; with --crop their sources, if they are
    still there.
    """
    from clip_prep_cli.display_preview import drawing, drawing_result
    from clip_prep_cli.preview import preview

    done = preview(request_of(options))
    click.echo(json.dumps(drawing_result(done)) if options["as_json"] else drawing(done))


@cli.command()
@report_options
def report(**options: Any) -> None:  # noqa: ANN401
    """Describe the set in DIR in one HTML page.

    Totals, failures, the sizes and shapes of the source images, where the set comes from, and some
    rows as pictures. The page needs no network; pip install 'clip-prep-cli[report]' makes it
    possible.
    """
    from clip_prep_cli.wording import printable, size_text

    # It has things to say of a home that it cannot write to, which are nobody's concern here.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        from clip_prep_cli.report.write import write_report
    except ModuleNotFoundError as error:
        raise CannotContinueError(
            f"A report needs {error.name}, which is not installed.",
            "Install it with `pip install 'clip-prep-cli[report]'`.",
        ) from error
    path = options["out"]
    size = write_report(options["directory"], path, options["seed"])
    if options["as_json"]:
        click.echo(json.dumps({"report": str(path), "bytes": size}))
    else:
        click.echo(f"Wrote {printable(str(path))} ({size_text(size)}).")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def models(*, as_json: bool) -> None:
    """The model names and their resolutions."""
    if as_json:
        click.echo(json.dumps(dict(MODELS)))
        return
    for name, n_px in MODELS.items():
        click.echo(f"{name:<16}{n_px} px")


def _stop_signal() -> StopSignal:
    # Not click.echo: the signal may come in the middle of a write to the same stream.
    words = b"\nStopping after the images in flight; once more to stop at once.\n"

    def tell() -> None:
        with suppress(OSError):  # nobody listens any more; the run ends in order all the same
            os.write(2, words)

    return StopSignal(tell)


def _progress(*, quiet: bool, unit: str = "images") -> "Progress":
    """On stderr: a bar on a terminal, a line now and then elsewhere, or nothing."""
    from clip_prep_cli.progress import Progress

    if quiet:
        return Progress()
    if sys.stderr and sys.stderr.isatty():
        from tqdm import tqdm

        return Progress(tqdm(unit=f" {unit}", bar_format=_BAR_FORMAT, total=0, dynamic_ncols=True))
    return Progress(say=_say, unit=unit)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _show(report: "Report", options: dict[str, Any]) -> None:
    from clip_prep_cli.display import result, summary

    if options["as_json"]:
        click.echo(json.dumps(result(report)))
    else:
        click.echo(summary(report, every_failure=options["verbose"]))


def _show_version(ctx: click.Context) -> NoReturn:
    from clip_prep_cli.pixels.native import best_kernel, resize_backend
    from clip_prep_cli.versions import package_versions, pixel_versions

    versions = package_versions() | pixel_versions(resize_backend(best_kernel()))
    for name, version in versions.items():
        click.echo(f"{name} {version}")
    ctx.exit()


@contextmanager
def _errors_in_words() -> "Iterator[None]":
    """The boundary for what the user can mend: words and a status instead of a traceback."""
    try:
        yield
    except ClipPrepError as error:
        _fail(error)
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read the result has seen enough; Click knows
            raise
        what = f"Cannot read {error.filename}" if error.filename else "Cannot read or write"
        remedy = "Mend that, then run the same command again."
        _fail(CannotContinueError(f"{what}: {error.strerror}.", remedy))


def _fail(error: ClipPrepError) -> NoReturn:
    from clip_prep_cli.wording import printable

    for line in error.lines:
        _say(printable(line))
    status = {UsageError: EXIT_USAGE, BusyError: EXIT_BUSY}
    sys.exit(status.get(type(error), EXIT_CANNOT_CONTINUE))
