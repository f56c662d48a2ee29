"""What a running render is doing, for whoever looks at the run folder from another process.

A render notes it in a small file of its temporary folder, which goes when the render ends. Readers take no lock.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from storymem.store.folder import HOLDER, TEMPORARY
from storymem.values.events import Event, FinishingStep, RunStarted, ShotFailed, ShotFinished, ShotStarted, ShotStep

_FILE = "progress.json"
#: Seconds between two notes of steps; a person sees no difference, and a fast backbone loses no time.
_EVERY = 0.3


@dataclass(slots=True)
class ShotProgress:
    """A shot in work.

    Attributes:
        mode: As in :class:`storymem.values.events.ShotStarted`; ``finish`` while its finished copy is made.
        started: Seconds since 1970.
        step: Steps done.
        total: Steps in all; 0 until the backbone says.
    """

    mode: str
    started: float
    step: int = 0
    total: int = 0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the shot is done, if it goes on as it went so far; None until a step is done."""
        if not (0 < self.step <= self.total):
            return None
        return (time.time() - self.started) / self.step * (self.total - self.step)


class ProgressNote:
    """Keeps the note of one render; called with every event.

    Args:
        folder: The render's temporary folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._shots: dict[str, ShotProgress] = {}
        self._written = 0.0

    def __call__(self, event: Event) -> None:
        """Note what an event says about a shot in work."""
        match event:
            case RunStarted():
                self._write()
            case ShotStarted():
                self._shots[event.shot] = ShotProgress(event.mode, time.time())
                self._write()
            case ShotStep() | FinishingStep():
                self._step(event)
            case ShotFinished() | ShotFailed():
                if self._shots.pop(event.shot, None) is not None:
                    self._write()

    def _step(self, event: ShotStep | FinishingStep) -> None:
        if isinstance(event, FinishingStep) and event.shot not in self._shots:
            self._shots = {event.shot: ShotProgress("finish", time.time())}
        if event.shot in self._shots:  # one that was given up may still report
            self._shots[event.shot].step, self._shots[event.shot].total = event.step, event.total
            if time.monotonic() - self._written > _EVERY:
                self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        new = self._path.with_suffix(".new")
        with suppress(OSError):  # a render does not fail because nobody can watch it
            new.write_text(json.dumps({shot: asdict(known) for shot, known in self._shots.items()}), "utf-8")
            new.replace(self._path)


def shots_in_work(folder: Path) -> dict[str, ShotProgress] | None:
    """Return the shots that a render of a run folder is making now, by id; None where no render is running."""
    if holder(folder) is None:
        return None
    for path in sorted((folder / TEMPORARY).glob(f"*/{_FILE}")):
        try:
            return {shot: ShotProgress(**known) for shot, known in json.loads(path.read_text("utf-8")).items()}
        except (OSError, ValueError, TypeError, AttributeError):  # it ended meanwhile, or somebody else's file
            continue
    return None


def holder(folder: Path) -> int | None:
    """Return the process of this machine that has a run folder locked; None where there is none."""
    try:
        pid = int((folder / HOLDER).read_text("ascii"))
        os.kill(pid, 0)
    except PermissionError:  # another user's
        return pid
    except (OSError, ValueError, OverflowError):
        return None
    return pid if pid > 0 else None
