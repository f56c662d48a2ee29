"""A run's log: every event worth a line, with the tracebacks of plugin bugs, in ``run.log`` of the run folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from storymem.media.files import writing
from storymem.text import one_line, printable
from storymem.values.events import (
    DamageFound,
    Event,
    FilmWritten,
    FinishingStarted,
    Notice,
    RunFinished,
    RunStarted,
    ShotBlocked,
    ShotFailed,
    ShotFinished,
    ShotPlaced,
    ShotStarted,
)

LOG = "run.log"


class RunLog:
    """Appends to the log of a run folder; called with every event."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG
        self._file: IO[str] | None = None

    def __enter__(self) -> RunLog:
        with writing(self._path):
            self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()

    def __call__(self, event: Event) -> None:
        """Write one event, if it says something."""
        line = describe(event)
        if line is None or self._file is None:
            return
        details = event.details if isinstance(event, ShotFailed) else ""
        text = f"{datetime.now(UTC).isoformat(timespec='seconds')}  {one_line(line)}\n"
        text += "".join(f"    {printable(row)}\n" for row in details.splitlines())
        with writing(self._path):
            self._file.write(text)
            self._file.flush()


def describe(event: Event) -> str | None:  # noqa: C901, PLR0911 - one line a kind of event
    """Return a line for people, or None for events that are only of use to programs."""
    match event:
        case RunStarted():
            workers = f"; {event.workers}" if event.workers else ""
            return f"{event.title}: {event.shots} shots with {event.backbone}, into {event.folder}{workers}"
        case Notice():
            return f"note: {event.text}"
        case ShotStarted(understood=understood) if understood:
            return f"shot {event.shot}: understood {understood}"
        case ShotPlaced(state="lost"):
            return f"shot {event.shot}: attempt {event.attempt} was lost ({event.place}: {event.reason}); made again"
        case ShotFinished(cached=False):
            return f"shot {event.shot}: take {event.take} in {event.seconds:.1f} s"
        case ShotFailed():
            return f"failed: {event.error}"
        case ShotBlocked():
            return f"shot {event.shot}: waits for failed shot {event.needs}"
        case DamageFound():
            return f"damaged: {event.path}; making {', '.join(event.shots) or 'nothing'} again"
        case FinishingStarted():
            return f"finishing {event.shots} shots: {event.width}x{event.height}, {event.fps} frames per second"
        case FilmWritten(cached=False):
            return f"film: {event.frames} frames joined in {event.seconds:.1f} s"
        case RunFinished() if event.failed:
            return f"finished with {event.failed} failed shots"
    return None
