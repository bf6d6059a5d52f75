"""`clip-prep verify`: whether a set is as it was written."""

import sys
from typing import TYPE_CHECKING, Any

import click

from clip_prep_cli.cli.errors import EXIT_DIFFERENCE
from clip_prep_cli.cli.options import JSON, QUIET, SET, WORKERS, all_of, option
from clip_prep_cli.cli.output import show
from clip_prep_cli.cli.params import source_count
from clip_prep_cli.cli.progress import progress_of
from clip_prep_cli.common.wording import duration, images, printable, shards, size_text

if TYPE_CHECKING:
    from clip_prep_cli.inspection.faults import Fault
    from clip_prep_cli.inspection.recheck import SourceCheck
    from clip_prep_cli.inspection.verify import Verification

_OPTIONS = (
    SET,
    option(
        "--sources",
        type=source_count,
        default="0",
        metavar="N|all",
        help="Recompute N random rows (or all) from their sources, using only Pillow, and compare.",
    ),
    WORKERS,
    JSON,
    QUIET,
)

_SHOWN = 20
_CHECKED = ("checked", "equal", "changed", "gone", "unmade")
_REMEDY = (
    "Restore damaged files from a backup, or start over with `clip-prep convert --overwrite`; "
    "remove files that do not belong."
)


@click.command
@all_of(*_OPTIONS)
def verify(**options: Any) -> None:  # noqa: ANN401
    """Check that the set in DIR is intact.

    Every file, header, row and index is checked against the checksums in the manifest. The exit
    status is 4 if anything differs. A source that has changed since it was converted is reported,
    but is not an error.
    """
    from clip_prep_cli.common.cpus import usable_cpus
    from clip_prep_cli.inspection.verify import verify

    workers = options["workers"] or usable_cpus()
    with progress_of(quiet=options["quiet"], unit="rows") as progress:
        found = verify(options["directory"], options["sources"], workers, progress.count)
    if found.faults or not options["quiet"] or options["as_json"]:
        show(verification_result(found), verification(found), as_json=options["as_json"])
    if found.faults:
        sys.exit(EXIT_DIFFERENCE)


def verification(found: "Verification") -> str:
    """The result of `verify` in a few lines, and each fault on a line."""
    checked = (
        f"{shards(found.shards)}, {found.rows:,} rows, {size_text(found.bytes)}, "
        f"{duration(found.seconds)}"
    )
    lines = []
    if found.faults and all(fault.left_over for fault in found.faults):
        lines += [
            f"Intact, but a run on {printable(str(found.directory))} was interrupted ({checked}):",
            f"  Files left behind: {len(found.faults):,} ({printable(found.faults[0].file)}, ...)",
            "Run the same command again to continue where it stopped.",
        ]
    elif found.faults:
        lines += [f"Not intact: {printable(str(found.directory))} ({checked})."]
        lines += [f"  {_fault(fault)}" for fault in found.faults]
        lines += [_REMEDY]
    else:
        lines += [f"Intact: {printable(str(found.directory))} ({checked})."]
    if found.sources:
        lines += _sources(found.sources)
    if found.complete is False and not found.faults:
        lines += ["The last run did not finish; run the same command again to continue."]
    return "\n".join(lines)


def verification_result(found: "Verification") -> dict[str, Any]:
    """The result of `verify` for `--json`."""
    check = found.sources
    return {
        "directory": str(found.directory),
        "ok": not found.faults,
        "complete": found.complete,
        "shards": found.shards,
        "rows": found.rows,
        "bytes": found.bytes,
        "seconds": round(found.seconds, 3),
        "faults": [fault._asdict() for fault in found.faults],
        "sources": check and {name: getattr(check, name) for name in _CHECKED},
    }


def _fault(fault: "Fault") -> str:
    where = printable(fault.file)
    if fault.row is not None:
        where += f" row {fault.row}"
    if fault.path is not None:
        where += f" ({printable(fault.path)})"
    return f"{where}: {printable(fault.problem)}"


def _sources(check: "SourceCheck") -> list[str]:
    lines = [f"Recomputed from source with Pillow: {images(check.checked)}, {check.equal:,} equal."]
    for what, paths in (
        ("has changed", check.changed),
        ("is missing or unreadable", check.gone),
        ("timed out or crashed its worker", check.unmade),
    ):
        if paths:
            lines.append(f"Not compared, because the source {what}: {len(paths):,}")
            lines += [f"  {printable(path)}" for path in sorted(paths)[:_SHOWN]]
            if len(paths) > _SHOWN:
                lines.append(f"  ... and {len(paths) - _SHOWN:,} more")
    return lines
