"""Texts for people and JSON for programs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clip_prep_cli.cli.summary import progress_line, result, summary
from clip_prep_cli.run.convert import Report
from clip_prep_cli.run.job import make_job
from clip_prep_cli.run.scan import Tally
from clip_prep_cli.samples.records import Failure, Sample


def failures(count: int) -> tuple[Failure, ...]:
    """Failures that can be told apart."""
    return tuple(
        Failure(Sample(0, f"{number:03}.jpg", 9, 9), "corrupt", "broken", 0)
        for number in range(count)
    )


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A run that went well."""
    return Report(
        job=make_job([__file__], ["ViT-B/32", "ViT-L/14@336px"], tmp_path / "out", {}),
        tally=Tally(planned=2000, converted=2000, scanned=True),
        ignored={},
        roots=("/photos",),
        failures=(),
        pruned=0,
        shards=2,
        seconds=10.0,
        complete=True,
        dry_run=False,
    )


def test_summary_of_a_run(report: Report) -> None:
    """One line: how many, what, where, how large, how fast."""
    assert summary(report) == (
        f"Converted 2,000 images to 224px + 336px float32 .npy in {report.job.out}: 2 shards, "
        "3.91 GB, 10.0 s, 200 images/s."
    )


def test_summary_counts_in_the_singular(report: Report) -> None:
    """One image, one shard."""
    one = replace(report, tally=Tally(planned=1, converted=1, scanned=True), shards=1)
    assert "Converted 1 image to" in summary(one)
    assert "1 shard," in summary(one)


def test_summary_of_nothing_new(report: Report) -> None:
    """A run that had nothing to do says so."""
    idle = replace(report, tally=Tally(unchanged=1500, scanned=True), shards=0)
    assert summary(idle) == f"Nothing new: {report.job.out} is up to date (1,500 images)."


def test_summary_of_a_dry_run(report: Report) -> None:
    """It says what would be done, and that nothing was."""
    dry = replace(report, tally=Tally(planned=10, failed=1), dry_run=True, complete=False)
    text = summary(dry)
    assert text.startswith("Would convert 9 images to 224px + 336px float32 .npy in ")
    assert text.endswith("Nothing was written.")


def test_summary_names_ten_failures_or_all(report: Report) -> None:
    """The first ten and how many more; all of them if asked."""
    failed = replace(report, failures=failures(12))
    short, long = summary(failed), summary(failed, every_failure=True)
    assert short.count(": corrupt: broken") == 10
    assert "  009.jpg: corrupt: broken\n  ... and 2 more\n" in short
    assert long.count(": corrupt: broken") == 12
    assert "more" not in long
    assert f"{report.job.out}/failures.jsonl" in short


def test_summary_of_what_was_left_alone(report: Report) -> None:
    """Unchanged images, old failures and ignored files have a line each."""
    tally = Tally(planned=1, converted=1, unchanged=2, failed_before=3, scanned=True)
    ignored = {".txt": 5, "hidden": 7, **{f".{letter}": 1 for letter in "abcdef"}}
    lines = summary(replace(report, tally=tally, ignored=ignored)).splitlines()
    assert lines[1:] == [
        "Unchanged: 2 images, converted before.",
        "Failed before and unchanged: 3 images; --retry-failed tries again.",
        "Passed over: 7 hidden, 5 .txt, 1 .a, 1 .b, 1 .c, 1 .d, 2 more.",
    ]


def test_summary_of_a_run_that_was_stopped(report: Report) -> None:
    """It says how to go on."""
    assert "the same command goes on" in summary(replace(report, complete=False))
    assert "the same command goes on" not in summary(report)


def test_file_names_cannot_play_tricks_on_the_terminal(report: Report) -> None:
    """Control characters of names and messages are written out."""
    nasty = Failure(Sample(0, "\x1b[2J\n\udcff.jpg", 0, 0), "corrupt", "bad\rchunk", 0)
    text = summary(replace(report, failures=(nasty,), ignored={".\x07": 1}))
    assert r"  \x1b[2J\n\xff.jpg: corrupt: bad\rchunk" in text
    assert r"1 .\x07" in text


def test_result_is_json(report: Report) -> None:
    """Everything that a program wants, failures with the directory they are under."""
    failed = replace(report, failures=failures(1), ignored={".txt": 1})
    content = json.loads(json.dumps(result(failed)))
    assert content["failures"] == [
        {"root": "/photos", "path": "000.jpg", "reason": "corrupt", "detail": "broken"}
    ]
    assert (content["converted"], content["failed"], content["ignored"]) == (2000, 0, {".txt": 1})
    assert (content["resolutions"], content["shards"]) == ([224, 336], 2)
    assert content["tensor_bytes"] == 2000 * 4 * 3 * (224**2 + 336**2)


@pytest.mark.parametrize(
    ("tally", "line"),
    [
        (Tally(500, 90, 10), "100 of 500+ images, 10/s, 10 failed"),
        (
            Tally(1600, 90, 10, scanned=True),
            "100 of 1,600 images, 10/s, 10 failed, 2 min 30 s left",
        ),
        (Tally(5, 0, 0, scanned=True), "0 of 5 images, 0/s, 0 failed"),
        (
            Tally(100_100, 100, scanned=True),
            "100 of 100,100 images, 10/s, 0 failed, 2 h 46 min left",
        ),
    ],
)
def test_progress_line(tally: Tally, line: str) -> None:
    """Done, planned, speed, failures; the time left once the end is known."""
    assert progress_line(tally, 10.0) == line


def test_progress_at_the_very_beginning() -> None:
    """No time has passed: no division by it."""
    assert progress_line(Tally(5, 0, 0, scanned=True), 0.0) == "0 of 5 images, 0/s, 0 failed"
