"""What stops a run: each error says what is wrong and what the user can do about it."""


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


class ImageError(ClipPrepError):
    """An image that cannot be converted; `reason` is from the closed list of failures."""

    def __init__(self, name: str, reason: str, detail: str) -> None:
        super().__init__(f"{name}: {reason}: {detail}", "Leave it out, or mend the file.")
        self.args = name, reason, detail  # so that it survives pickling
        self.reason = reason
        self.detail = detail


class BusyError(ClipPrepError):
    """Another run holds the output directory."""
