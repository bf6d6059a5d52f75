"""What stops a run: each error says what is wrong and what the user can do about it."""


class ClipPrepError(Exception):
    """The root of the package's errors; `problem` and `remedy` are sentences for the user."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)  # as args, so that it survives pickling
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}".rstrip()


class UsageError(ClipPrepError):
    """The settings contradict each other; nothing was done."""


class CannotContinueError(ClipPrepError):
    """The surroundings do not allow the run (disk, permissions, another set in the folder)."""


class BusyError(ClipPrepError):
    """Another run holds the output directory."""
