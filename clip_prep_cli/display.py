"""Texts for people and JSON for programs; whoever prints them is somebody else."""

from collections.abc import Mapping
from typing import Any

from clip_prep_cli.records import Failure
from clip_prep_cli.run import Report
from clip_prep_cli.scan import Tally

_FAILURES_SHOWN = 10
_IGNORED_SHOWN = 6


def printable(text: str) -> str:
    """`text` without control characters or undecodable bytes: file names can hold both."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def summary(report: Report, *, every_failure: bool = False) -> str:
    """The result of a run in a few lines."""
    shown = report.failures if every_failure else report.failures[:_FAILURES_SHOWN]
    lines = [_headline(report), *_counts(report)]
    if report.failures:
        lines += ["", "Failed:", *map(_failure, shown)]
        if len(report.failures) > len(shown):
            lines.append(f"  ... and {len(report.failures) - len(shown):,} more")
        if not report.dry_run:
            lines.append(f"All failures: {printable(str(report.job.out))}/failures.jsonl")
    if not report.complete and not report.dry_run:
        lines += ["", "Stopped early; the same command goes on where this one stopped."]
    return "\n".join(lines)


def result(report: Report) -> dict[str, Any]:
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
        "ignored": dict(report.ignored),
        "resolutions": list(job.settings.resolutions),
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


def progress_line(tally: Tally, seconds: float) -> str:
    """How far a run is, for a log."""
    done = tally.converted + tally.failed
    of = f"{tally.planned:,}" + ("" if tally.scanned else "+")
    rate = done / seconds if seconds else 0.0
    line = f"{done:,} of {of} images, {rate:,.0f}/s, {tally.failed:,} failed"
    if tally.scanned and rate:
        line += f", {_duration((tally.planned - done) / rate)} left"
    return line


def size_text(count: float) -> str:
    """Bytes in the unit that fits, powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 999.5:  # what would be shown as 1000 is 1 of the next
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count:.0f} bytes"
        count /= 1000
    return f"{count:,.1f} TB"


def _headline(report: Report) -> str:
    job, tally = report.job, report.tally
    at = " + ".join(layout.folder for layout in job.settings.layouts)
    what = f"{at} {job.settings.dtype} .{job.settings.format}"
    out = printable(str(job.out))
    if report.dry_run:
        return (
            f"Would convert {_images(tally.planned - tally.failed)} to {what} in {out}: "
            f"{_shards(report.shards)}, {size_text(report.tensor_bytes)}. Nothing was written."
        )
    if not tally.planned and report.complete:
        return f"Nothing new: {out} is up to date ({_images(tally.unchanged)})."
    rate = tally.converted / report.seconds if report.seconds else 0.0
    return (
        f"Converted {_images(tally.converted)} to {what} in {out}: {_shards(report.shards)}, "
        f"{size_text(report.tensor_bytes)}, {_duration(report.seconds)}, {rate:,.0f} images/s."
    )


def _counts(report: Report) -> list[str]:
    tally = report.tally
    lines = []
    if tally.unchanged and tally.planned:
        lines.append(f"Unchanged: {_images(tally.unchanged)}, converted before.")
    if tally.failed_before:
        lines.append(
            f"Failed before and unchanged: {_images(tally.failed_before)}; "
            "--retry-failed tries again."
        )
    if report.ignored:
        lines.append(f"Passed over: {_ignored(report.ignored)}.")
    return lines


def _ignored(ignored: Mapping[str, int]) -> str:
    most = sorted(ignored.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{n:,} {printable(kind)}" for kind, n in most[:_IGNORED_SHOWN]]
    rest = sum(n for _, n in most[_IGNORED_SHOWN:])
    return ", ".join([*parts, f"{rest:,} others"] if rest else parts)


def _failure(failure: Failure) -> str:
    return f"  {printable(failure.sample.path)}: {failure.reason}: {printable(failure.detail)}"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _shards(count: int) -> str:
    return f"{count:,} shard{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8, as os.fsdecode() has it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
