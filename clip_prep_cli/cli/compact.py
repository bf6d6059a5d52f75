"""`clip-prep compact`: many small shards and superseded rows into full shards."""

import sys
from typing import TYPE_CHECKING, Any

import click

from clip_prep_cli.cli.options import DRY_RUN, JSON, QUIET, SET, all_of
from clip_prep_cli.cli.output import show
from clip_prep_cli.cli.progress import StopSignal, progress_of
from clip_prep_cli.common.wording import duration, printable, shards, size_text

if TYPE_CHECKING:
    from clip_prep_cli.run.compact import Compaction


@click.command
@all_of(SET, DRY_RUN, JSON, QUIET)
def compact(**options: Any) -> None:  # noqa: ANN401
    """Rewrite the set in DIR into full shards without superseded rows.

    The new shards are byte for byte what a fresh run over the images would write. The old ones are
    kept until all the new ones are committed, so there must be enough space for both.
    """
    from clip_prep_cli.run.compact import Observer, compact

    stop = StopSignal()
    with progress_of(quiet=options["quiet"], unit="rows") as progress:
        observer = Observer(progress.count, stop.received)
        done = compact(options["directory"], observer, dry_run=options["dry_run"])
    if not options["quiet"] or not done.complete or options["as_json"]:
        show(compaction_result(done), compaction(done), as_json=options["as_json"])
    if not done.complete:
        sys.exit(128 + stop.number)


def compaction(done: "Compaction") -> str:
    """The result of `compact` in a few lines."""
    where = printable(str(done.directory))
    before = f"{shards(done.shards_before)}, {size_text(done.bytes_before)}"
    if done.shards_before == done.shards_after and not done.written:
        return f"Nothing to do: {where} is already compact ({before})."
    after = f"{shards(done.shards_after)}, {size_text(done.bytes_after)}"
    work = f"{done.written:,} of {done.rows:,} rows"
    if done.dry_run:
        return f"Would copy {work}: {where} would go from {before} to {after}."
    if not done.complete:
        return f"Stopped early; {where} is intact. Run the same command again to continue."
    return f"Compacted {where} from {before} to {after}; copied {work} in {duration(done.seconds)}."


def compaction_result(done: "Compaction") -> dict[str, Any]:
    """The result of `compact` for `--json`."""
    return {**vars(done), "directory": str(done.directory), "seconds": round(done.seconds, 3)}
