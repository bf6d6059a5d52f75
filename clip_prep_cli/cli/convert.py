"""`clip-prep convert`: its options by task, the job that they describe, and its end."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from clip_prep_cli.cli.errors import EXIT_FAILURES
from clip_prep_cli.cli.options import JSON, QUIET, WORKERS, SectionCommand, all_of, choice, option
from clip_prep_cli.cli.output import say, show
from clip_prep_cli.cli.params import FailureLimit, FailureLimitType, ModelName, Seconds, SetPath
from clip_prep_cli.cli.progress import StopSignal, progress_of, stop_signal
from clip_prep_cli.pixels.limits import DEFAULT_MAX_PIXELS, DEFAULT_TIMEOUT
from clip_prep_cli.sets.tensor_files import FORMATS
from clip_prep_cli.storage.retry import DEFAULT_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clip_prep_cli.common.versions import Change
    from clip_prep_cli.run.convert import Report
    from clip_prep_cli.run.job import Job

_EPILOG = """\b
Examples:
  clip-prep convert photos -m ViT-L/14@336px -o tensors
  find photos -name '*.jpg' -print0 |
      clip-prep convert --files-from - -0 -m all -o tensors

Each option is also an environment variable: --shard-size is CLIP_PREP_SHARD_SIZE. Exit status: 0
done; 1 cannot go on; 2 wrong usage; 3 too many images failed; 75 another run holds DIR; 130 or 143
stopped by a signal, what was sealed is kept.
"""

_SOURCES = "What to convert"
_TARGET = "Into what"
_IMAGES = "How images are treated"
_AGAIN = "When run again"
_FAILING = "When images fail"
_RUN = "The run"

_OPTIONS = (
    click.argument("inputs", nargs=-1, type=click.Path(readable=False), metavar="INPUT..."),
    option(
        "--files-from",
        section=_SOURCES,
        type=click.Path(exists=True, dir_okay=False, allow_dash=True),
        metavar="FILE",
        help="Read further inputs from a file, or `-`, one a line.",
    ),
    option(
        *("-0", "--null"),
        section=_SOURCES,
        is_flag=True,
        help="A zero byte ends each of them (find -print0).",
    ),
    option(
        "--include",
        section=_SOURCES,
        multiple=True,
        metavar="GLOB",
        help="Only files that match, as in .gitignore; repeatable.",
    ),
    option(
        "--exclude",
        section=_SOURCES,
        multiple=True,
        metavar="GLOB",
        help="No files or folders that match; repeatable.",
    ),
    option(
        *("-L", "--follow-links"),
        section=_SOURCES,
        is_flag=True,
        help="Follow symbolic links below the inputs.",
    ),
    option("--hidden", section=_SOURCES, is_flag=True, help="Take what begins with a dot as well."),
    option(
        *("-m", "--model", "models"),
        section=_TARGET,
        multiple=True,
        required=True,
        type=ModelName(),
        metavar="NAME",
        help="For which model, or `all`; repeatable.",
    ),
    option(
        *("-o", "--out"),
        section=_TARGET,
        required=True,
        type=SetPath(path_type=Path),
        metavar="DIR",
        help="Where the tensors go: a directory, or a URL (s3://, gs://).",
    ),
    option(
        "--staging",
        section=_TARGET,
        type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
        metavar="DIR",
        help="Where shards for a URL are built.  [default: $TMPDIR]",
    ),
    option(
        "--format",
        section=_TARGET,
        **choice(*FORMATS),
        help="pt: for torch.load.",
    ),
    option(
        "--dtype",
        section=_TARGET,
        **choice("float32", "float16", "bfloat16", "uint8"),
        metavar="DTYPE",
        help="Or float16, bfloat16 (pt only), uint8 (pixels, not normalized).",
    ),
    option(
        "--shard-size",
        section=_TARGET,
        type=click.IntRange(1, 1 << 24),
        default=1024,
        metavar="N",
        help="Images per shard.  [default: 1024]",
    ),
    option("--overwrite", section=_TARGET, is_flag=True, help="Start the set in DIR anew."),
    option(
        "--exif",
        section=_IMAGES,
        **choice("ignore", "apply"),
        help="apply: upright first; the reference does not.",
    ),
    option(
        "--max-pixels",
        section=_IMAGES,
        type=click.IntRange(min=1),
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help=f"Refuse larger images.  [default: {DEFAULT_MAX_PIXELS}]",
    ),
    option(
        "--timeout",
        section=_IMAGES,
        type=Seconds(0, min_open=True),
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"Give an image up after this long.  [default: {DEFAULT_TIMEOUT:g}]",
    ),
    option(
        "--checksum",
        section=_AGAIN,
        is_flag=True,
        help="Tell changed files by content, not by time.",
    ),
    option(
        "--prune", section=_AGAIN, is_flag=True, help="Let rows of deleted files count no more."
    ),
    option("--retry-failed", section=_AGAIN, is_flag=True, help="Try again what failed before."),
    option(
        "--max-failures",
        section=_FAILING,
        type=FailureLimitType(),
        default="0",
        help="So many are still a success.  [default: 0]",
    ),
    option("--fail-fast", section=_FAILING, is_flag=True, help="Stop at the first."),
    WORKERS,
    option(
        "--executor",
        section=_RUN,
        **choice("local", "dask"),
        metavar="NAME",
        help="Or dask: a cluster.",
    ),
    option(
        "--scheduler",
        section=_RUN,
        metavar="ADDRESS",
        help="As tcp://HOST:8786; else a cluster is made here.",
    ),
    option(
        "--retry-for",
        section=_RUN,
        type=Seconds(0),
        default=DEFAULT_PATIENCE,
        metavar="SECONDS",
        help=f"How long to try a failing store.  [default: {DEFAULT_PATIENCE:g}]",
    ),
    option(
        *("-n", "--dry-run"),
        section=_RUN,
        is_flag=True,
        help="Only list; say what would be done.",
    ),
    option("--resize", **choice("native", "pillow"), hidden=True),
    JSON,
    QUIET,
    option("-v", "--verbose", section=_RUN, is_flag=True, help="Name every failure."),
)


@click.command(cls=SectionCommand, epilog=_EPILOG)
@all_of(_OPTIONS)
def convert(**options: Any) -> None:  # noqa: ANN401
    """Convert images to CLIP input tensors.

    INPUT, a path or a URL, is a directory, which is walked for images, or an archive (.tar,
    .tar.gz, .tgz, .tar.zst, .zip), or an image file. Run the same command again to convert what is
    new or changed.
    """
    from clip_prep_cli.common.versions import versions_warning
    from clip_prep_cli.run.convert import dry_run, run
    from clip_prep_cli.run.execute import Watch

    job = _job(options)
    if options["dry_run"]:
        _show(dry_run(job), options)
        return
    stop = stop_signal()
    with progress_of(quiet=options["quiet"]) as progress:

        def tell(line: str) -> None:
            progress.clear()
            say(line)

        def warn(changes: "Sequence[Change]") -> None:
            tell(versions_warning(changes))

        report = run(job, Watch(progress.update, warn, stop.received, tell))
    if job.resize == "native" and report.resize_backend.startswith("pillow"):
        say(f"Resized with {report.resize_backend}: same bytes, but slower.")
    status = _status(report, stop, options["max_failures"])
    if status or not options["quiet"] or options["as_json"]:
        _show(report, options)
    sys.exit(status)


def _status(report: "Report", stop: StopSignal, limit: FailureLimit) -> int:
    if stop.number and not report.complete:
        return 128 + stop.number
    too_many = limit.exceeded(report.failed, report.tally.listed)
    # Not complete without a signal: --fail-fast.
    return EXIT_FAILURES if too_many or not report.complete else 0


def _show(report: "Report", options: dict[str, Any]) -> None:
    from clip_prep_cli.cli.summary import result, summary

    show(
        lambda: result(report),
        lambda: summary(report, every_failure=options["verbose"]),
        as_json=options["as_json"],
    )


def _job(options: dict[str, Any]) -> "Job":
    """The job that the options of `clip-prep convert` describe.

    Raises:
        UsageError: they contradict each other.
    """
    from clip_prep_cli.run.options import ConvertOptions, make_job

    known = {name: options[name] for name in ConvertOptions.__annotations__ if name in options}
    return make_job(options["inputs"], options["models"], options["out"], cast("Any", known))
