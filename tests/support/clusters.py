"""Real Dask schedulers and workers on this machine, of which nothing is left afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import pytest

pytest.importorskip("distributed")

from tests.support.command import SECONDS, Env, customized, environment, wait_until

_HOOK = """
import os, signal, sys, time

def look(event, arguments):
    name = arguments[0] if event == "open" else None
    if not isinstance(name, str) or not name.endswith(".png"):
        return
    open(os.environ["OPENED"], "a").close()
    name = os.path.basename(name)
    if name.startswith("killer"):
        os.kill(os.getpid(), signal.SIGSEGV)
    while name.startswith("hang"):
        signal.pause()
    while name.startswith("gate") and not os.path.exists(os.environ["GATE"]):
        time.sleep(0.002)

sys.addaudithook(look)
"""


class Process:
    """A program of Dask's, in a process group of its own; `log` is what it says."""

    def __init__(self, log: Path, *command: str, env: Env | None = None) -> None:
        self.log = log
        with open(log, "wb") as output:
            self._process = subprocess.Popen(
                command,
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it and all that it has started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, SIGKILL)
        self._process.wait(SECONDS)

    def has_said(self, text: str) -> bool:
        """Whether its log holds `text`."""
        return text in self.log.read_text()


class Cluster:
    """A scheduler, and as many workers as are asked for; `home` is where they may leave things.

    An image's name decides what opening it does to the process that converts: killer* kills it,
    hang* never ends, gate* waits until there is a file `home`/gate.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.gate = home / "gate"
        self._processes: list[Process] = []
        file = home / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)
        )
        wait_until(lambda: file.exists() and bool(file.read_bytes()))
        self.address: str = json.loads(file.read_bytes())["address"]
        self.options = ("--executor", "dask", "--scheduler", self.address)

    def worker(self, *options: str, env: Env | None = None, wrapper: tuple[str, ...] = ()) -> str:
        """Start a worker with one thread; what it is called."""
        name = f"worker-{len(self._processes)}"
        place = ("--local-directory", str(self.home / name), "--name", name)
        hook = customized(self.home / "hook", _HOOK)
        every = {**hook, "GATE": str(self.gate), "OPENED": str(self.home / f"{name}.opened")}
        self._start(
            "worker", self.address, "--nthreads", "1", *place, *options,
            env={**every, **(env or {})}, wrapper=wrapper,
        )  # fmt: skip
        return name

    def joined(self, *options: str, env: Env | None = None, wrapper: tuple[str, ...] = ()) -> str:
        """Start a worker, and wait until the scheduler has it."""
        name = self.worker("--no-nanny", *options, env=env, wrapper=wrapper)
        wait_until(lambda: self.process(name).has_said("Registered to"))
        return name

    def process(self, name: str) -> Process:
        """A worker, with its nanny if it has one."""
        return self._processes[int(name.rpartition("-")[2])]

    def has_opened(self, name: str) -> bool:
        """Whether a worker has been at any image."""
        return (self.home / f"{name}.opened").exists()

    def end(self) -> None:
        """Kill everything."""
        for process in self._processes:
            process.kill()

    def _start(
        self, program: str, *arguments: str, env: Env | None = None, wrapper: tuple[str, ...] = ()
    ) -> Process:
        log = self.home / f"{program}-{len(self._processes)}.log"
        command = (*wrapper, sys.executable, "-m", "dask", program, *arguments, "--no-dashboard")
        self._processes.append(Process(log, *command, env=env))
        return self._processes[-1]


@contextmanager
def cluster(home: Path) -> Iterator[Cluster]:
    """A scheduler without workers."""
    home.mkdir(exist_ok=True)
    started = Cluster(home)
    try:
        yield started
    finally:
        started.end()
