"""Converting lists of names, of which some are still being written."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.command import SECONDS, SMALL, environment, wait_until

MOMENTS = 10.0
"""Much longer than it takes to stop, much shorter than for ever."""


def command(out: Path, *options: str) -> list[str]:
    """What converts a list."""
    return [
        *(sys.executable, "-m", "clip_prep_cli", "convert", *SMALL, "-o", str(out)),
        *("--json", *options),
    ]


def convert_listed(names: bytes, out: Path, *options: str, status: int = 0) -> dict[str, Any]:
    """Convert the names, in the directory of `out`; gives the result."""
    done = subprocess.run(
        command(out, "--files-from", "-", *options),
        input=names,
        cwd=out.parent,
        env=environment(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == status, done.stderr.decode()
    assert not done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def counts(result: dict[str, Any]) -> tuple[int, int, int]:
    """How many were converted, were unchanged, and failed."""
    return result["converted"], result["unchanged"], result["failed"]


class Silent:
    """A run whose list is a pipe, so far empty, that this process holds open."""

    def __init__(self, out: Path, *options: str) -> None:
        self._out = out
        fifo = out.parent / "fifo"
        os.mkfifo(fifo)
        self._pipe = os.open(fifo, os.O_RDWR)
        self.process = subprocess.Popen(
            command(out, "--files-from", str(fifo), *options),
            cwd=out.parent,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_until(self._holds_the_set)

    def _holds_the_set(self) -> bool:
        assert self.process.poll() is None
        return (self._out / ".clip-prep.lock").exists()

    def say(self, *names: str) -> None:
        """Write names into the list."""
        os.write(self._pipe, "".join(f"{name}\n" for name in names).encode())

    def end(self) -> None:
        """Close the list, if it is open."""
        with suppress(OSError):
            os.close(self._pipe)

    def has_sealed(self, *shards: int) -> bool:
        """Whether these shards exist."""
        return all((self._out / f"index/shard-{n:06}.jsonl").exists() for n in shards)

    def ends_with(self, status: int) -> dict[str, Any]:
        """Wait for the end, within moments and with this status; gives the result."""
        stdout, stderr = self.process.communicate(timeout=MOMENTS)
        assert self.process.returncode == status, stderr
        assert b"Traceback" not in stderr
        result: dict[str, Any] = json.loads(stdout)
        return result


@contextmanager
def silent(out: Path, *options: str) -> Iterator[Silent]:
    """A run that waits for names; nothing of it is left afterwards."""
    run = Silent(out, *options)
    try:
        yield run
    finally:
        run.end()
        run.process.kill()
        run.process.communicate()
