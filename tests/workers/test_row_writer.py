"""Rows written by a thread: in their places, whole, and with an error if not."""

import os
from pathlib import Path

import numpy as np
import pytest

from clip_prep_cli.storage.durable import reserve
from clip_prep_cli.workers.batch import RowNotWrittenError
from clip_prep_cli.workers.row_writer import RowWriter, open_target

F4 = np.dtype("<f4")


@pytest.mark.parametrize("side", [32, 5], ids=["direct", "through the cache"])
def test_rows_arrive_in_their_places(side: int, tmp_path: Path) -> None:
    """More rows than buffers, in any order, of sizes that direct writes take or do not take."""
    writer = RowWriter((3, side, side), F4)
    os.close(reserve(tmp_path / "file", 4096 + 9 * writer.row_bytes))
    file = open_target(str(tmp_path / "file"), writer.row_bytes)
    for row in (4, 0, 8, 3, 1, 7, 5, 2, 6):
        writer.buffer()[:] = row
        writer.write(file, 4096 + row * writer.row_bytes)
    writer.finish()
    os.close(file)
    content = (tmp_path / "file").read_bytes()
    rows = np.frombuffer(content[4096:], F4).reshape(9, -1)
    assert [set(row) for row in rows.tolist()] == [{row} for row in range(9)]


def test_a_row_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The error comes when the batch is finished, once, and the writer goes on."""
    writer = RowWriter((3, 4, 4), F4)
    (tmp_path / "file").touch()
    unwritable = os.open(tmp_path / "file", os.O_RDONLY)
    writer.write(unwritable, 0)
    with pytest.raises(RowNotWrittenError, match="Bad file descriptor"):
        writer.finish()
    os.close(unwritable)
    writer.finish()


def test_a_target_that_is_gone_is_told(tmp_path: Path) -> None:
    """A worker that outlived its run finds no file to write to."""
    with pytest.raises(RowNotWrittenError, match="No such file"):
        open_target(str(tmp_path / "gone"), 512)
