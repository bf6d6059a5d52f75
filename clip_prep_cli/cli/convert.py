"""`clip-prep convert`: its options by task, and how it ends."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from clip_prep_cli.cli.errors import EXIT_FAILURES
from clip_prep_cli.cli.options import DRY_RUN, JSON, QUIET, SectionCommand, all_of, derived, option
from clip_prep_cli.cli.output import say, show
from clip_prep_cli.cli.params import FailureLimit, ModelName, SetPath, failure_limit
from clip_prep_cli.cli.progress import StopSignal, progress_of
from clip_prep_cli.run.options import declared

if TYPE_CHECKING:
    from clip_prep_cli.run.convert import Report

_EPILOG = """\b
Examples:
  clip-prep convert photos -m ViT-L/14@336px -o tensors
  find photos -name '*.jpg' -print0 |
      clip-prep convert --files-from - -0 -m all -o tensors

Every option can also be set in the environment: --shard-size as CLIP_PREP_SHARD_SIZE. Exit status:
0 success; 1 error; 2 usage error; 3 too many images failed; 75 another run holds DIR; 130 or 143
stopped by a signal (finished shards are kept).
"""

_OPTIONS = (
    click.argument("inputs", nargs=-1, type=click.Path(readable=False), metavar="INPUT..."),
    option(
        *("-m", "--model", "models"),
        section="Output",
        multiple=True,
        required=True,
        type=ModelName(),
        metavar="NAME",
        help="Model name, or `all`; repeatable.",
    ),
    option(
        *("-o", "--out"),
        section="Output",
        required=True,
        type=SetPath(path_type=Path),
        metavar="DIR",
        help="Output directory or URL (s3://, gs://).",
    ),
    option(
        "--max-failures",
        section="Failures",
        type=failure_limit,
        metavar="N|P%",
        default="0",
        help="Tolerate up to N failures, or P% of images.  [default: 0]",
    ),
    *(derived(name, declaration) for name, declaration in declared().items() if declaration.help),
    DRY_RUN,
    JSON,
    QUIET,
    option("-v", "--verbose", is_flag=True, help="List every failure."),
)


@click.command(cls=SectionCommand, epilog=_EPILOG)
@all_of(*_OPTIONS)
def convert(**options: Any) -> None:  # noqa: ANN401
    """Convert images to CLIP input tensors.

    INPUT is a path or a URL: a directory to search for images, an archive (.tar, .tar.gz, .tgz,
    .tar.zst, .zip), or an image file. Run the same command again to convert only what is new or
    changed.
    """
    from clip_prep_cli.common.versions import versions_warning
    from clip_prep_cli.run.convert import dry_run, run
    from clip_prep_cli.run.execute import Watch
    from clip_prep_cli.run.job import make_job

    known = {name: options[name] for name in declared() if name in options}
    job = make_job(options["inputs"], options["models"], options["out"], cast("Any", known))
    if options["dry_run"]:
        _show(dry_run(job), options)
        return
    stop = StopSignal()
    with progress_of(quiet=options["quiet"]) as progress:
        watch = Watch(
            on_progress=progress.update,
            on_other_versions=lambda changes: progress.tell(versions_warning(changes)),
            should_stop=stop.received,
            on_waiting=progress.tell,
        )
        report = run(job, watch)
    if job.options["resize"] == "native" and report.resize_backend.startswith("pillow"):
        say(f"Resized with {report.resize_backend}: same output, but slower.")
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

    text = summary(report, every_failure=options["verbose"])
    show(result(report), text, as_json=options["as_json"])
