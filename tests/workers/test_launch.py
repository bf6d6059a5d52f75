"""How workers are started, and the private parts of multiprocessing that this relies on."""

import inspect
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from multiprocessing import forkserver, popen_forkserver, util
from pathlib import Path
from typing import Any

import pytest

from clip_prep_cli.workers.launch import clean_start

_WORKER = """
import json, os, signal, sys, multiprocessing

def child(connection):
    connection.send({
        "main": sys.modules["__main__"].__dict__.get("MINE"),
        "path": sys.path,
        "threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    })

def start():
    from clip_prep_cli.workers.launch import clean_start
    context = multiprocessing.get_context("forkserver")
    mine, theirs = context.Pipe()
    process = context.Process(target=child, args=(theirs,), daemon=True)
    with clean_start():
        process.start()
    print(json.dumps(mine.recv()))
    process.join()
"""


def state() -> dict[str, Any]:
    """What `clean_start` changes while it lasts, in this process."""
    return {
        "main": id(sys.modules["__main__"]),
        "connect": forkserver.connect_to_new_process,
        "daemon": multiprocessing.current_process().daemon,
        "environment": {**os.environ},
        "signals": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "tempdir": tempfile.tempdir,
    }


def test_what_is_relied_on() -> None:
    """The private parts are there, with the meaning that they have here.

    If this fails with a new Python, `launch.py` has to be read beside its multiprocessing.
    """
    server = forkserver.ForkServer()
    assert callable(server.connect_to_new_process)
    assert callable(server.set_forkserver_preload)
    assert callable(forkserver.connect_to_new_process)
    assert isinstance(vars(multiprocessing.current_process())["_config"], dict)
    assert callable(util.get_temp_dir)
    # It is looked up at each start, so that another server's takes its place.
    assert "forkserver.connect_to_new_process" in inspect.getsource(popen_forkserver.Popen)


def test_everything_is_as_before() -> None:
    """Other users of multiprocessing in this process see none of it, not even after an error."""
    before = state()
    inside = {}

    def fail() -> None:
        with clean_start():
            inside.update(state())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inside["main"] != before["main"]
    assert inside["connect"] != before["connect"]
    assert state() == before


def run(directory: Path, script: str, *, tmpdir: Path | None = None) -> dict[str, Any]:
    """What a worker says of itself that a script starts, in an interpreter of its own."""
    (directory / "parts.py").write_text(_WORKER)
    (directory / "script.py").write_text(script)
    temporary = {"TMPDIR": str(tmpdir)} if tmpdir else {}
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=directory,
        env={**os.environ, **temporary},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_worker(tmp_path: Path) -> None:
    """It never runs the main module, which need not guard itself; signals are for the parent."""
    found = run(tmp_path, "import parts\nMINE = 1\nparts.start()\n")
    assert found["main"] is None
    assert "" not in found["path"]
    assert found["threads"] == "1"
    assert {signal.SIGINT, signal.SIGTERM} <= set(found["blocked"])


def test_a_daemon_may_start_workers(tmp_path: Path) -> None:
    """As the processes of a Dask worker are daemons."""
    script = """
        import multiprocessing, parts

        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=parts.start, daemon=True)
            process.start()
            process.join()
    """
    assert run(tmp_path, "\n".join(line[8:] for line in script.splitlines()))["threads"] == "1"


def test_a_long_tmpdir(tmp_path: Path) -> None:
    """The name of the fork server's socket must not become longer than a system takes."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    assert run(tmp_path, "import parts\nparts.start()\n", tmpdir=deep)["main"] is None
