"""What happens during a run, as typed, immutable events.

The same events feed the progress display, ``--json``, event sinks and ``for event in storyteller.stream(...)``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events."""

    def to_json(self) -> dict[str, Any]:
        """Return the event as plain data, its class name under ``event``."""
        return {"event": type(self).__name__, **dataclasses.asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotEvent(Event):
    """Base of events about one shot."""

    shot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The script is loaded, the graph is valid, the folder is locked; ``workers`` says where shots are made."""

    title: str
    folder: str
    shots: int
    backbone: str
    workers: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something the user should know about this run, in one line; given once."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotStarted(ShotEvent):
    """A worker has the shot.

    Attributes:
        mode: t2v, m2v, mi2v or mm2v, or ``select`` where only keyframes are chosen.
        recalled: Recalled keyframes, as ``shot:frame``.
        handover: How many frames of the shot before are handed over.
        seed: Of the first attempt.
        understood: What the backbone makes of the prompt, if it says.
    """

    mode: str
    recalled: tuple[str, ...]
    handover: int
    seed: int
    understood: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPlaced(ShotEvent):
    """Where the shot's work has got to.

    Attributes:
        state: ``queued``, ``loading`` (weights), ``running``, or ``lost``: its worker is gone, and it is queued again.
        place: The worker.
        attempt: 1 for the first worker that has it.
        reason: Why it was lost; empty otherwise.
    """

    state: str
    place: str
    attempt: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotStep(ShotEvent):
    """The backbone has done ``step`` of ``total`` steps."""

    step: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRejected(ShotEvent):
    """A filter refused a frame."""

    frame: int
    filter: str
    score: float
    threshold: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyframesAdmitted(ShotEvent):
    """The frames of this shot that are now remembered."""

    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotFinished(ShotEvent):
    """The shot's take is committed.

    Attributes:
        take: Its number.
        cached: Nothing had to be made.
        recalled: What the take was shown, as ``shot:frame``, also if it was made long ago.
        seconds: Time it took in this run.
    """

    take: int
    cached: bool
    recalled: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotFailed(ShotEvent):
    """The shot could not be made; ``error`` is one line, ``details`` the traceback of a plugin's bug."""

    error: str
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotBlocked(ShotEvent):
    """The shot was not tried because it needs a failed one."""

    needs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageFound(Event):
    """A stored file was not what was recorded; what depends on it is made again."""

    path: str
    shots: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishingStarted(Event):
    """So many shots have no finished copy yet; the film will be of this size, in pixels, and frame rate."""

    shots: int
    width: int
    height: int
    fps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishingStep(ShotEvent):
    """A finisher, named by its class, has done ``step`` of ``total`` steps of a shot's finished copy."""

    finisher: str
    step: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFinished(ShotEvent):
    """The finished copy of a shot is committed; ``seconds`` is the time that finishing took."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmWritten(Event):
    """The film is complete; ``cached`` means that it was already there."""

    path: str
    frames: int
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The end, also after failures.

    Attributes:
        made: Shots whose clip was made.
        updated: Shots whose clip was there, and whose keyframes or viewing copy were made.
        cached: Shots that needed nothing.
        failed: Shots that could not be made.
        seconds: Time of the whole run.
    """

    made: int
    updated: int
    cached: int
    failed: int
    seconds: float
