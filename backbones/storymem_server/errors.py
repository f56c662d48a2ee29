"""The answers that a client gets when its request cannot be served."""

from __future__ import annotations

from storymem.errors import StoryMemError


class ApiError(StoryMemError):
    """A request that is refused.

    Attributes:
        status: HTTP status.
        code: For programs.
        after: Seconds after which asking again may help; None if it would not.
    """

    def __init__(self, status: int, code: str, message: str, after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.after = after
