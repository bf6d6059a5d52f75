"""The real command in a process of its own, small inputs for it, and what it leaves on disk."""

import hashlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import xxhash
from PIL import Image

import clip_prep_cli

SMALL = ("--model", "ViT-B/32", "--dtype", "uint8")
"""The options that make the smallest tensors."""

SECONDS = 60.0
"""After which something that has to happen never will."""

PROC = Path("/proc/self/stat").exists()
"""Whether this system tells about processes the way Linux does."""

_SCHEMA = Path(clip_prep_cli.__file__).with_name("manifest.schema.json")

Completed = subprocess.CompletedProcess[str]
Env = dict[str, str]


def clip_prep(*arguments: str | Path, status: int = 0, env: Env | None = None) -> Completed:
    """Run `clip-prep`, which must end with exit status `status` and without a traceback.

    With `env` it has a process of its own. Without, it runs in this one: the start of Python and of
    the server that forks workers would take most of a test's time.
    """
    words = [os.fspath(argument) for argument in arguments]
    done = _done_here(words) if env is None else _done_elsewhere(words, env)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == status, f"exit status {done.returncode}: {done.stdout}{done.stderr}"
    return done


def _done_elsewhere(words: list[str], env: Env) -> Completed:
    return subprocess.run(
        [sys.executable, "-m", "clip_prep_cli", *words],
        env=environment(env),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=SECONDS,
        check=False,
    )


def _done_here(words: list[str]) -> Completed:
    from clip_prep_cli.cli.main import cli

    stdout, stderr = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, newline="", write_through=True)
        for errors in ("surrogateescape", "backslashreplace")
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    status: Any = 0
    with (
        patch.dict(os.environ, environment(), clear=True),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            cli.main(words, "clip-prep")
        except SystemExit as end:
            status = end.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    texts = (each.buffer.getvalue().decode(errors="surrogateescape") for each in (stdout, stderr))
    return Completed(words, status or 0, *texts)


def convert(
    source: Path | str,
    out: Path | str,
    *options: str | Path,
    status: int = 0,
    env: Env | None = None,
) -> Completed:
    """Run `clip-prep convert` for the smallest tensors; later options override those."""
    return clip_prep("convert", *SMALL, source, "-o", out, *options, status=status, env=env)


def environment(more: Env | None = None) -> Env:
    """This process's environment without the command's own variables, and `more`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLIP_PREP_")}
    return {**own, **(more or {})}


class Running:
    """A `clip-prep convert` at work, in a process group of its own, with its output in `log`."""

    def __init__(
        self, log: Path, source: Path | str, out: Path | str, *options: str, env: Env | None = None
    ) -> None:
        self._log = log
        command = (sys.executable, "-m", "clip_prep_cli", "convert", *SMALL, source, "-o", out)
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [*command, *options],
                env=environment(env),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def signal_group(self, number: int) -> None:
        """Do what a terminal does for Ctrl-C: signal every process of the run."""
        os.killpg(self.process.pid, number)

    def has_said(self, text: str) -> bool:
        """Whether its output holds `text`."""
        return text in self._log.read_text()

    def ends_with(self, status: int) -> None:
        """Wait for the end, which must have this status (negative: by this signal)."""
        ended = self.process.wait(SECONDS)
        output = self._log.read_text()
        assert "Traceback" not in output, output
        assert ended == status, f"exit status {ended}: {output}"

    def members(self) -> dict[int, int]:
        """The living processes of its group, each with its parent."""
        found = {}
        for entry in filter(str.isdecimal, os.listdir("/proc")):
            with suppress(OSError):
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                state, parent, group = fields[0], int(fields[1]), int(fields[2])
                if group == self.process.pid and state not in "ZX":
                    found[int(entry)] = parent
        return found

    def workers(self) -> list[int]:
        """Its worker processes: the children of a child, the fork server."""
        parents = self.members()
        return [pid for pid, above in parents.items() if parents.get(above) == self.process.pid]


@contextmanager
def started(
    log: Path, source: Path | str, out: Path | str, *options: str, env: Env | None = None
) -> Iterator[Running]:
    """A run at work; nothing of it is left afterwards."""
    run = Running(log, source, out, *options, env=env)
    try:
        yield run
    finally:
        with suppress(ProcessLookupError):
            run.signal_group(signal.SIGKILL)
        run.process.wait(SECONDS)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition` holds; fail if it never does."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what this test waits for did not happen"
        time.sleep(0.002)


_HOOK = """
import os, signal, sys, time

def look(event, arguments):
    if event != "open" or not isinstance(arguments[0], str):
        return
    name = os.path.basename(arguments[0])
    if name.startswith("killer-exit"):
        os._exit(3)
    if name.startswith("killer-segv"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        while True:
            signal.pause()
    while name.startswith("gate") and not os.path.exists(os.environ["GATE"]):
        time.sleep(0.002)

sys.addaudithook(look)
"""


def hooked(directory: Path) -> Env:
    """The environment in which an image's name decides what opening it does to the worker.

    killer-exit*, killer-segv*: it dies; hang*: it never goes on; gate*: it goes on as soon as
    there is a file `gate` in `directory`.
    """
    return {**customized(directory, _HOOK), "GATE": str(directory / "gate")}


def customized(directory: Path, code: str) -> Env:
    """The environment in which every Python process first runs `code`."""
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": os.pathsep.join([str(directory), os.environ.get("PYTHONPATH", "")])}


def paint(path: Path, seed: int = 0, size: tuple[int, int] = (24, 16)) -> Path:
    """Make a small image that is like that of no other seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def album(directory: Path, count: int) -> Path:
    """Make a directory of the images 0000.png, 0001.png, ..."""
    directory.mkdir(parents=True)
    for number in range(count):
        paint(directory / f"{number:04}.png", number)
    return directory


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def read_index(directory: Path, number: int) -> list[dict[str, Any]]:
    """The records of a shard."""
    return read_lines(directory / "index" / f"shard-{number:06}.jsonl")


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of a set, which must be as its schema says."""
    manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_bytes())
    validator = importlib.import_module("jsonschema").Draft202012Validator
    validator(json.loads(_SCHEMA.read_bytes())).validate(manifest)
    return manifest


def failed(directory: Path) -> dict[str, str]:
    """Path and reason of every failure of a set."""
    return {line["path"]: line["reason"] for line in read_lines(directory / "failures.jsonl")}


def shard_rows(path: Path) -> list[bytes]:
    """The rows of one tensor file."""
    if path.suffix == ".npy":
        return [row.tobytes() for row in np.load(path)]
    import torch

    tensor = torch.load(path, weights_only=True)
    return [row.view(torch.uint8).numpy().tobytes() for row in tensor]


def shards(directory: Path, n_px: int) -> list[Path]:
    """The tensor files of a resolution, in order."""
    return sorted(p for p in (directory / f"{n_px}px").iterdir() if p.suffix in {".npy", ".pt"})


def rows(directory: Path, n_px: int = 224) -> list[bytes]:
    """Every row of a resolution, in order."""
    return [row for path in shards(directory, n_px) for row in shard_rows(path)]


def paths(directory: Path) -> list[str]:
    """The path that each row of a set is of, in order."""
    indexes = sorted((directory / "index").glob("shard-*.jsonl"))
    return [line["path"] for index in indexes for line in read_lines(index)]


def tree_digest(directory: Path) -> dict[str, str]:
    """A checksum of every file in a directory, but for the times in a manifest."""
    digests = {}
    for path in sorted(path for path in directory.rglob("*") if not path.is_dir()):
        content = path.read_bytes()
        if path.name == "manifest.json":
            manifest = json.loads(content)
            del manifest["created"], manifest["updated"], manifest["xxh128"]
            for era in manifest["history"]:
                del era["since"]
            content = json.dumps(manifest).encode()
        digests[str(path.relative_to(directory))] = hashlib.sha256(content).hexdigest()
    return digests


def check_whole(directory: Path) -> None:
    """Assert that every file under a final name is whole, whatever has become of its writer."""
    if (directory / "manifest.json").exists():
        read_manifest(directory)
    if (directory / "failures.jsonl").exists():
        read_lines(directory / "failures.jsonl")
    for path in directory.glob("*px/shard-*.npy"):
        assert path.stat().st_size == 4096 + np.load(path, mmap_mode="r").nbytes, path
    for index in directory.glob("index/shard-*.jsonl"):
        for folder in directory.glob("*px"):
            found = [line["rows"][folder.name] for line in read_lines(index)]
            stored = shard_rows(folder / f"{index.stem}.npy")
            assert found == [xxhash.xxh3_64_hexdigest(row) for row in stored], index
