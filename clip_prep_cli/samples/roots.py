"""The directories that samples are named against."""

import os
from collections.abc import Container, Iterable

from clip_prep_cli.samples.parts import Part
from clip_prep_cli.samples.records import Sample


class Roots:
    """Absolute directories, numbered as they come; one thread may add while others look."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths = list(paths)
        self._numbers = {path: number for number, path in enumerate(self._paths)}

    @property
    def paths(self) -> tuple[str, ...]:
        """The directories, in order of their numbers."""
        return tuple(self._paths)

    def add(self, path: str, root: str) -> None:
        """Number the directory `root`, which holds `path`, unless another that holds it has one."""
        if innermost(path, self._numbers) is None:
            self._paths.append(root)
            self._numbers[root] = len(self._paths) - 1

    def locate(self, path: str) -> tuple[int, str]:
        """The number of the innermost root that holds `path`, and the path below it ('' for it).

        Raises:
            KeyError: no root holds it.
        """
        root = innermost(path, self._numbers)
        if root is None:
            raise KeyError(path)
        # Not more than one slash: the names of objects may begin with further ones.
        return self._numbers[root], path[len(root) :].removeprefix("/")

    def join(self, root: int, path: str) -> str:
        """The absolute path of what `locate` found."""
        return joined(self._paths[root], path)

    def source(self, sample: Sample) -> str | Part:
        """Where a worker finds the bytes of a sample."""
        part = sample.part
        return part if isinstance(part, Part) else self.join(sample.root, sample.path)

    def __contains__(self, directory: str) -> bool:
        return directory in self._numbers


def joined(root: str, path: str) -> str:
    """`path` below the directory `root`, whatever it is: an absolute one too."""
    return os.path.join(root, "") + path


def is_within(path: str, directory: str) -> bool:
    """Whether `path` is the directory, or below it; both as they are written everywhere."""
    return path == directory or path.startswith(os.path.join(directory, ""))


def innermost(path: str, directories: Container[str]) -> str | None:
    """The innermost of the directories that is or holds `path`."""
    while path not in directories:
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent
    return path


Identity = tuple[int, str]
"""A root's number, and the path below that root."""
