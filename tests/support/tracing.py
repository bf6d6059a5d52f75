"""What the processes of a run do to the files below a directory: to see it, and to interfere."""

import json
from pathlib import Path
from typing import NamedTuple

from tests.support.command import Env, customized

_HOOK = """
import itertools, json, multiprocessing, os, re, sys, zlib
from errno import *
from signal import *

options = json.loads(os.environ["TRACING"])
log = os.open(options["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
once = options["log"] + ".met"
counter = itertools.count(1)  # the next() of which no thread can come between


def path_of(target):
    if isinstance(target, int):
        return os.readlink(f"/proc/self/fd/{target}")
    return os.path.abspath(target)


def checksum(path):
    with open(os.fsencode(path), "rb") as file:  # by a name of bytes: see `look`
        return zlib.crc32(file.read())


def step(name, target, other=None):
    path = path_of(target)
    if not path.startswith(options["watched"]):
        return
    role = "worker" if multiprocessing.parent_process() else "parent"
    state = checksum(path) if name in ("fsync", "rename") and os.path.isfile(path) else None
    to = path_of(other) if name == "rename" else None
    os.write(log, json.dumps([role, name, path, to, state]).encode() + b"\\n")
    if role == options["role"] and re.search(options["which"], f"{name} {path}"):
        number = next(counter)
        if number == options["at"] or number > options["at"] and options["lasting"]:
            if options["lasting"] or not os.path.exists(once):
                os.close(os.open(once, os.O_CREAT))
                exec(options["code"])


def look(event, arguments):
    event = event.removeprefix("os.")
    if event in ("open", "mkdir", "remove", "rename", "truncate"):
        if not isinstance(arguments[0], bytes):
            step(event, *arguments[:2])


def announced(name, function):
    def call(file, *rest):
        step(name, file)
        return function(file, *rest)
    return call


for name in ("fsync", "posix_fallocate", "pwrite"):
    setattr(os, name, announced(name, getattr(os, name)))
sys.addaudithook(look)
"""


class Operation(NamedTuple):
    """Something that a process was about to do to a file."""

    role: str
    """`parent` or `worker`."""
    name: str
    path: Path
    to: Path | None
    """The new name, if it is a `rename`."""
    checksum: int | None
    """Of the file that is to be synced or renamed, as it is before."""


class Tracing(NamedTuple):
    """Code that a process of a `role` runs before its `at`-th operation that matches `which`.

    The operations are those on paths that begin with `watched`. Only the first process to come
    there runs the code, and only once, unless it is `lasting`.
    """

    code: str = ""
    at: int = 0
    which: str = ""
    role: str = "parent"
    lasting: bool = False

    def env(self, directory: Path, watched: Path) -> Env:
        """The environment in which every Python process logs its operations and runs the code."""
        env = customized(directory, _HOOK)
        options = {**self._asdict(), "log": str(directory / "log"), "watched": str(watched)}
        return {**env, "TRACING": json.dumps(options)}


def operations(directory: Path) -> list[Operation]:
    """What was logged in the environment of that directory, in order."""
    lines = map(json.loads, (directory / "log").read_text().splitlines())
    return [
        Operation(role, name, Path(path), to and Path(to), state)
        for role, name, path, to, state in lines
    ]


def was_met(directory: Path) -> bool:
    """Whether the code of the environment of that directory was run."""
    return (directory / "log.met").exists()
