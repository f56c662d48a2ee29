"""What can go wrong at a server, as far as the caller acts on it."""

from __future__ import annotations

from storymem.errors import StoryMemError


class EngineError(StoryMemError):
    """A server cannot be reached, refuses, fails, or gives what is no video."""

    exit_code = 4


class Refused(EngineError):
    """The server answered, and asking again would not help.

    Attributes:
        status: HTTP status.
        code: The server's own code of the error, if it gave one.
    """

    def __init__(self, message: str, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class JobLost(EngineError):
    """The server does not know a job that it once took, as after a restart."""


class JobEnded(EngineError):
    """The job has come to an end without a video; its note is of no use any more."""


class Interrupted(EngineError):
    """An answer or download that broke off; asking again may help."""
