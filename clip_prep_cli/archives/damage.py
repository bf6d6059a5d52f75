"""What is wrong with an archive, or with a member of it."""

from typing import Literal


class Damage(Exception):  # noqa: N818 - it is data on its way to a failure record
    """`reason` is from the closed list of failures, `detail` for people."""

    def __init__(self, reason: Literal["unreadable", "truncated", "corrupt"], detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
