"""What a server says of a job, in one form for all protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from storymem_backbones.http.client import Json, short


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Look:
    """What a server says of a job.

    Attributes:
        state: How far it is.
        percent: 0 .. 100, if the server says.
        reason: Why it failed.
        code: The server's code of that.
        url: Where the result is, if the job names a place of its own.
        cost: What it cost, in the server's currency, if it says.
        seconds: How long the server worked on it, if it says.
    """

    state: JobState
    percent: float | None = None
    reason: str = ""
    code: str = ""
    url: str = ""
    cost: float | None = None
    seconds: float | None = None


def look_by_status(answer: Json, states: Mapping[str, JobState]) -> Look:
    """Return how far a job is by the answer's ``status``; one that is not among ``states`` is a failure."""
    state = states.get(str(answer.get("status")), JobState.FAILED)
    reason = short(str(answer.get("error") or f"its status is {answer.get('status')!r}"))
    return Look(state, reason=reason if state is JobState.FAILED else "")
