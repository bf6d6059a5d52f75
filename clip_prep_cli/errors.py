"""What stops a run, and why an image fails; each error says what the user can do about it."""

from typing import Literal, get_args

Reason = Literal[
    "unreadable",
    "not_an_image",
    "truncated",
    "corrupt",
    "too_large",
    "unsupported",
    "timeout",
    "worker_died",
]
"""Why an image could not be converted: a closed list, part of the on-disk format."""

REASONS: tuple[Reason, ...] = get_args(Reason)


class ClipPrepError(Exception):
    """The root of the package's errors: lines for the user, what is wrong and what to do."""

    def __init__(self, problem: str, remedy: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(problem, remedy, details)  # as args, so that it survives pickling
        self.lines = (problem, *(f"  {detail}" for detail in details), remedy)

    def __str__(self) -> str:
        return "\n".join(self.lines)


class UsageError(ClipPrepError):
    """The settings contradict each other; nothing was done."""


class CannotContinueError(ClipPrepError):
    """The surroundings do not allow the run (disk, permissions, another set in the folder)."""


class DamagedError(CannotContinueError):
    """A file of a set is not as it was written."""


class StoreError(CannotContinueError):
    """A store at a URL refuses, or does not answer."""


class OutputLostError(CannotContinueError):
    """The output directory was moved or replaced, or its lock removed; the run writes no more."""


class BusyError(ClipPrepError):
    """Another run holds the output directory."""


class ImageError(ClipPrepError):
    """An image, or an archive of images, that cannot be converted.

    `reason` is from the closed list of failures, `detail` says more, in words for people. Inside
    the package it is data on its way to a failure record; to callers of `preprocess` it is raised
    with the `name` of the image.
    """

    def __init__(self, reason: Reason, detail: str, name: str = "image") -> None:
        super().__init__(f"{name}: {reason}: {detail}", "Leave it out, or fix the file.")
        self.args = reason, detail, name  # so that it survives pickling
        self.reason = reason
        self.detail = detail
