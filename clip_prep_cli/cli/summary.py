"""What a run did, as text for people and JSON for programs; somebody else prints it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clip_prep_cli.samples.roots import joined

if TYPE_CHECKING:
    from clip_prep_cli.run.convert import Report
    from clip_prep_cli.run.scan import Tally
    from clip_prep_cli.samples.records import Failure
from clip_prep_cli.common.wording import duration, images, printable, shards, size_text

_FAILURES_SHOWN = 10
_IGNORED_SHOWN = 6
_STOPPED = "Stopped early; run the same command again to continue."
_FAIL_FAST = "Stopped at the first failure (--fail-fast); fix that image or --exclude it."


def summary(report: "Report", *, every_failure: bool = False) -> str:
    """The result of a run in a few lines."""
    shown = report.failures if every_failure else report.failures[:_FAILURES_SHOWN]
    lines = [_headline(report), *_counts(report)]
    if report.failures:
        lines += ["", "Failed:", *(_failure(failure, report.roots) for failure in shown)]
        if len(report.failures) > len(shown):
            lines.append(f"  ... and {len(report.failures) - len(shown):,} more")
        if report.complete:
            lines.append(f"All failures: {printable(str(report.job.out))}/failures.jsonl")
    if not report.complete and not report.dry_run:
        lines += [
            "",
            _FAIL_FAST if report.job.options["fail_fast"] and report.tally.failed else _STOPPED,
        ]
    return "\n".join(lines)


def result(report: "Report") -> dict[str, Any]:
    """The result of a run for `--json`."""
    job, tally = report.job, report.tally
    return {
        "out": str(job.out),
        "complete": report.complete,
        "dry_run": report.dry_run,
        "listed": tally.listed,
        "planned": tally.planned,
        "converted": tally.converted,
        "unchanged": tally.unchanged,
        "failed": tally.failed,
        "failed_before": tally.failed_before,
        "pruned": report.pruned,
        "ignored": dict(report.ignored),
        "resolutions": [each.side for each in job.settings.transforms],
        "format": job.settings.format,
        "dtype": job.settings.dtype,
        "shards": report.shards,
        "tensor_bytes": report.tensor_bytes,
        "seconds": round(report.seconds, 3),
        "failures": [
            {"root": report.roots[f.sample.root], "path": f.sample.path,
             "reason": f.reason, "detail": f.detail}
            for f in report.failures
        ],
    }  # fmt: skip


def progress_line(tally: "Tally", seconds: float) -> str:
    """How far a run is, for a log."""
    done = tally.converted + tally.failed
    of = f"{tally.planned:,}" + ("" if tally.scanned else "+")
    rate = done / seconds if seconds else 0.0
    line = f"{done:,} of {of} images, {rate:,.0f}/s, {tally.failed:,} failed"
    if tally.unchanged:
        line += f", {tally.unchanged:,} unchanged"
    if tally.scanned and rate:
        line += f", {duration((tally.planned - done) / rate)} left"
    return line


def _headline(report: "Report") -> str:
    job, tally = report.job, report.tally
    at = " + ".join(layout.folder for layout in job.settings.layouts)
    what = f"{at} {job.settings.dtype} .{job.settings.format}"
    out = printable(str(job.out))
    if report.dry_run:
        return (
            f"Would convert {images(tally.planned - tally.failed)} to {what} in {out}: "
            f"{shards(report.shards)}, {size_text(report.tensor_bytes)}. Nothing was written."
        )
    if not tally.planned and report.complete:
        return f"Nothing new: {out} is up to date ({images(tally.unchanged)})."
    if report.complete and tally.planned == sum(each.shard is None for each in report.failures):
        return f"Converted nothing to {what} in {out}: none of the new files could be read."
    if not tally.converted:
        return f"Converted none of {images(tally.planned)} to {what} in {out}."
    rate = tally.converted / report.seconds if report.seconds else 0.0
    return (
        f"Converted {images(tally.converted)} to {what} in {out}: {shards(report.shards)}, "
        f"{size_text(report.tensor_bytes)}, {duration(report.seconds)}, {rate:,.0f} images/s."
    )


def _counts(report: "Report") -> list[str]:
    tally = report.tally
    lines = []
    if tally.unchanged and tally.planned:
        lines.append(f"Unchanged: {images(tally.unchanged)}, already converted.")
    if tally.failed_before:
        lines.append(
            f"Failed before and unchanged: {images(tally.failed_before)}; "
            "use --retry-failed to retry."
        )
    if report.pruned:
        gone = f"{images(report.pruned)} whose files were deleted"
        lines.append(f"Would prune: {gone}." if report.dry_run else f"Pruned: {gone}.")
    if report.ignored:
        lines.append(f"Skipped: {_ignored(report.ignored)}.")
    return lines


def _ignored(ignored: Mapping[str, int]) -> str:
    most = sorted(ignored.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{n:,} {printable(kind)}" for kind, n in most[:_IGNORED_SHOWN]]
    rest = sum(n for _, n in most[_IGNORED_SHOWN:])
    return ", ".join([*parts, f"{rest:,} more"] if rest else parts)


def _failure(failure: "Failure", roots: Sequence[str]) -> str:
    path = failure.sample.path
    if len(roots) > 1:
        path = joined(roots[failure.sample.root], path)
    return f"  {printable(path)}: {failure.reason}: {printable(failure.detail)}"
