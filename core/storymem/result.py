"""What a render came to, shot by shot, and what a run is at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from storymem.engine.plan import StoryPlan
from storymem.engine.schedule import Tally
from storymem.errors import ShotError
from storymem.store.finished import finished_view
from storymem.store.records import CurrentShot, Take
from storymem.store.runstore import RunStore
from storymem.values.keyframe import Keyframe
from storymem.values.storyboard import Storyboard
from storymem.values.work import Rejection


class ShotState(StrEnum):
    """What has become of a shot."""

    FINISHED = "finished"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class ShotStatus:
    """One shot of a run.

    Attributes:
        shot: Shot id.
        state: What has become of it.
        take: The take in the film; None unless it is finished.
        recalled: The pictures that take was shown, in recall order, each with the reason the policy gave;
            ``keyframe.load()`` gives the pixels.
        keyframes: Ids of the keyframes it gives to memory.
        rejections: What the filters refused.
        view: Its viewing copy, finished where the run has finishers.
        error: Why it failed, in one line.
    """

    shot: str
    state: ShotState
    take: Take | None = None
    recalled: tuple[Keyframe, ...] = ()
    keyframes: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    view: Path | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain data."""
        row: dict[str, Any] = {"shot": self.shot, "state": str(self.state)}
        if self.take is not None:
            row |= {
                "take": self.take.number,
                "pinned": self.take.pinned,
                "mode": self.take.request["mode"],
                "recalled": [{"id": k.id, "name": k.name, "reason": k.reason} for k in self.recalled],
                "keyframes": list(self.keyframes),
                "rejections": [
                    {
                        "frame": r.frame,
                        "filter": r.filter,
                        "score": r.score,
                        "threshold": r.threshold,
                        "reason": r.reason,
                    }
                    for r in self.rejections
                ],
                "view": str(self.view),
            }
        return row | ({"error": self.error} if self.error else {})


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a render came to.

    Attributes:
        folder: The run folder.
        film: The film; None if shots failed.
        frames: Number of frames of the film; 0 without one.
        made: How many clips were made.
        updated: How many shots only had keyframes or viewing copies made.
        cached: How many shots needed nothing.
        blocked: How many shots were not tried, because they need a failed one.
        failures: One line per failed shot, by shot id.
        details: Tracebacks of the bugs behind failures, by shot id.
        shots: Every shot by id, in story order.
    """

    folder: Path
    film: Path | None
    frames: int
    made: int
    updated: int
    cached: int
    blocked: int
    failures: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    shots: Mapping[str, ShotStatus] = field(default_factory=dict)

    def check(self) -> RunResult:
        """Return this result, or raise :class:`ShotError` if shots failed."""
        if self.failures:
            first = next(iter(self.failures.values()))
            raise ShotError(
                f"failed shots: {len(self.failures)}, waiting for them: {self.blocked}; the first: {first}; "
                f"everything finished is kept in {self.folder}, render again to resume",
                "\n".join(self.details.values()),
            )
        return self


def run_result(store: RunStore, plan: StoryPlan, tally: Tally, film: tuple[Path, int] | None) -> RunResult:
    """Return the result of a render that has just ended."""
    path, frames = film or (None, 0)
    return RunResult(
        folder=store.folder,
        film=path,
        frames=frames,
        made=len(tally.made),
        updated=len(tally.updated),
        cached=tally.cached,
        blocked=tally.blocked,
        failures=dict(tally.failed),
        details=dict(tally.details),
        shots=shot_states(store, plan.board),
    )


def shot_states(store: RunStore, board: Storyboard) -> dict[str, ShotStatus]:
    """Return what every shot of a run is at present."""
    finished = {current.shot: current for current in store.finished()}
    failures = store.failures()
    return {shot.id: _status(store, shot.id, finished.get(shot.id), failures.get(shot.id)) for shot in board}


def _status(store: RunStore, shot: str, current: CurrentShot | None, error: str | None) -> ShotStatus:
    if error is not None:
        return ShotStatus(shot, ShotState.FAILED, error=error)
    take = store.take(shot, current.take) if current else None
    selection = store.selection(current.selection) if current else None
    if current is None or take is None or selection is None:
        return ShotStatus(shot, ShotState.WAITING)
    view = store.file_ref(finished_view(store, current) or current.view).path
    chosen = selection.keyframes
    return ShotStatus(shot, ShotState.FINISHED, take, take.recalled, chosen, selection.rejections, view)
