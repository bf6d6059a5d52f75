"""How worker processes are started: by a fork server, with nothing of this process's own."""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver, resource_tracker, util
from types import ModuleType

_FOR_THE_PARENT = (signal.SIGINT, signal.SIGTERM)
_one_at_a_time = threading.Lock()
_LONGEST = 64
"""Bytes: the name of the fork server's socket adds 32, and 103 are the most that macOS takes."""


@contextmanager
def clean_start() -> Iterator[None]:
    """What `Process.start` hands down to a worker, and to the fork server if it starts that too.

    The server must look for modules where this process does. By itself it would look into the
    current directory first, where anything may lie. It must have no threads, of OpenBLAS for one,
    since it is going to be forked. And a signal to the whole process group is for this process
    alone, which lets images be finished: the server and the workers inherit that it is blocked.
    All that is not for other users of multiprocessing in this process, so the server is our own.

    Nor has a worker any use for the main module, which multiprocessing would import again: a
    script without an `if __name__ == "__main__"` would begin anew in every worker.

    A process that was started as a daemon of another, as those of a Dask worker are, may have no
    children: they would outlive it when it is killed. Ours do not, see `worker`.

    It changes what belongs to the whole process, so one thread does it at a time.
    """
    environment = {
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENBLAS_NUM_THREADS": "1",
    }
    with _one_at_a_time, signals_blocked():
        before = {name: os.environ.get(name) for name in environment}
        main, connect = sys.modules["__main__"], forkserver.connect_to_new_process
        config = vars(multiprocessing.current_process())["_config"]
        daemon = config.get("daemon", False)
        try:
            sys.modules["__main__"] = ModuleType("__main__")
            forkserver.connect_to_new_process = _server(os.getpid()).connect_to_new_process
            os.environ.update(environment)
            config["daemon"] = False
            yield
        finally:
            config["daemon"] = daemon
            sys.modules["__main__"], forkserver.connect_to_new_process = main, connect
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block what asks a run to stop, in this thread and in what is started from it."""
    resource_tracker.ensure_running()  # which unblocks signals when it is started
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@cache
def _server(pid: int) -> forkserver.ForkServer:  # noqa: ARG001 - a fork needs one of its own
    _find_room_for_sockets()
    server = forkserver.ForkServer()
    server.set_forkserver_preload(["clip_prep_cli.workers.worker"])
    return server


def _find_room_for_sockets() -> None:
    """Have multiprocessing's own directory lie in /tmp if $TMPDIR is too long for a socket's name.

    Python 3.14 does so by itself.
    """
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) <= _LONGEST:
        return
    tempfile.tempdir = "/tmp"  # noqa: S108 - in it a directory of this user's own is made
    try:
        util.get_temp_dir()
    finally:
        tempfile.tempdir = usual
