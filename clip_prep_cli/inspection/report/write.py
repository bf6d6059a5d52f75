"""Write a report on a set."""

from pathlib import Path

from clip_prep_cli.inspection.output_file import check_output, write_output
from clip_prep_cli.inspection.report.data import report_data
from clip_prep_cli.inspection.report.page import page
from clip_prep_cli.sets.stored import StoredSet
from clip_prep_cli.storage.interface import Storage


def write_report(directory: Storage, out: Path, seed: int) -> int:
    """Write the page on the set in `directory` to `out`; its size in bytes.

    Raises:
        UsageError: `out` lies in the set, or is no regular file.
        CannotContinueError: there is no set, it is damaged, or the page cannot be written.
        OSError: the set cannot be read.
    """
    check_output(out, directory)
    content = page(report_data(StoredSet(directory), seed))
    write_output(out, content)
    return len(content)
