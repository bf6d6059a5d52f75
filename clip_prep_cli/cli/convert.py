"""`clip-prep convert`: its options by task, and how it ends."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from clip_prep_cli.cli.errors import EXIT_FAILURES
from clip_prep_cli.cli.options import JSON, QUIET, SectionCommand, all_of, derived, option
from clip_prep_cli.cli.output import say, show
from clip_prep_cli.cli.params import FailureLimit, FailureLimitType, ModelName, SetPath
from clip_prep_cli.cli.progress import StopSignal, progress_of, stop_signal
from clip_prep_cli.run.options import declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clip_prep_cli.common.versions import Change
    from clip_prep_cli.run.convert import Report

_EPILOG = """\b
Examples:
  clip-prep convert photos -m ViT-L/14@336px -o tensors
  find photos -name '*.jpg' -print0 |
      clip-prep convert --files-from - -0 -m all -o tensors

Each option is also an environment variable: --shard-size is CLIP_PREP_SHARD_SIZE. Exit status: 0
done; 1 cannot go on; 2 wrong usage; 3 too many images failed; 75 another run holds DIR; 130 or 143
stopped by a signal, what was sealed is kept.
"""

_OPTIONS = (
    click.argument("inputs", nargs=-1, type=click.Path(readable=False), metavar="INPUT..."),
    option(
        *("-m", "--model", "models"),
        section="Into what",
        multiple=True,
        required=True,
        type=ModelName(),
        metavar="NAME",
        help="For which model, or `all`; repeatable.",
    ),
    option(
        *("-o", "--out"),
        section="Into what",
        required=True,
        type=SetPath(path_type=Path),
        metavar="DIR",
        help="Where the tensors go: a directory, or a URL (s3://, gs://).",
    ),
    option(
        "--max-failures",
        section="When images fail",
        type=FailureLimitType(),
        default="0",
        help="So many are still a success.  [default: 0]",
    ),
    *(derived(name, declaration) for name, declaration in declared().items() if declaration.help),
    option(*("-n", "--dry-run"), is_flag=True, help="Only list; say what would be done."),
    JSON,
    QUIET,
    option("-v", "--verbose", is_flag=True, help="Name every failure."),
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
    from clip_prep_cli.run.job import make_job

    known = {name: options[name] for name in declared() if name in options}
    job = make_job(options["inputs"], options["models"], options["out"], cast("Any", known))
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
    if job.options["resize"] == "native" and report.resize_backend.startswith("pillow"):
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
