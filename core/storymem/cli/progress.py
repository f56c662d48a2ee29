"""Shows a run's events: a progress bar with the time left, plain lines where there is no terminal, or JSON lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from storymem.cli.terminal import OutputFailed, discard, echo, print_json
from storymem.events import (
    DamageFound,
    Event,
    FilmWritten,
    RunStarted,
    ShotBlocked,
    ShotFailed,
    ShotFinished,
    ShotStarted,
    ShotStep,
)
from storymem.text import printable

Receiver = Callable[[Event], None]


@contextmanager
def receiver(as_json: bool, quiet: bool) -> Iterator[Receiver | None]:
    """Yield what takes the events: JSON lines, nothing, a progress display, or plain lines."""
    if as_json:
        yield _JsonLines()
    elif quiet:
        yield None
    elif sys.stderr.isatty():
        with _display() as progress:
            yield _Bars(progress)
    else:
        yield _plain


class _JsonLines:
    """Prints events as JSON lines; a reader that goes away (``| head -1``) does not end the run."""

    def __init__(self) -> None:
        self._open = True

    def __call__(self, event: Event) -> None:
        if not self._open:
            return
        try:
            print_json(event.to_json())
        except OutputFailed as error:
            self._open = False
            discard(sys.stdout)
            echo(f"{error}; the run goes on without it", err=True)


def describe(event: Event) -> str | None:  # noqa: PLR0911 - one line a kind of event
    """Return a line for people, or None for events that are only of use to programs."""
    match event:
        case RunStarted():
            return f"{event.title}: {event.shots} shots with {event.backbone}, into {event.folder}"
        case ShotStarted(understood=understood) if understood:
            return f"shot {event.shot}: understood {understood}"
        case ShotFinished(cached=False):
            return f"shot {event.shot}: take {event.take} in {event.seconds:.1f} s"
        case ShotFailed():
            return f"failed: {event.error}"
        case ShotBlocked():
            return f"shot {event.shot}: waits for failed shot {event.needs}"
        case DamageFound():
            return f"damaged: {event.path}; making {', '.join(event.shots) or 'nothing'} again"
        case FilmWritten(cached=False):
            return f"film: {event.frames} frames joined in {event.seconds:.1f} s"
    return None


def _plain(event: Event) -> None:
    line = describe(event)
    if line is not None:
        echo(line, err=True)


def _display() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )


class _Bars:
    """One bar for the film, whose speed is that of made shots alone, and one per shot in work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._film: TaskID | None = None
        self._shots: dict[str, TaskID] = {}
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        line = describe(event)
        if line is not None:
            self._progress.console.print(printable(line), highlight=False, markup=False)
        match event:
            case RunStarted():
                self._film = self._progress.add_task("film", total=event.shots)
            case ShotStarted():
                self._shots[event.shot] = self._progress.add_task(f"{event.shot} {event.mode}", total=None)
            case ShotStep() if event.shot in self._shots:  # one that was given up may still report
                self._progress.update(self._shots[event.shot], completed=event.step, total=event.total)
            case ShotFinished() | ShotFailed():
                self._end(event.shot)

    def _end(self, shot: str) -> None:
        if shot in self._shots:
            self._progress.remove_task(self._shots.pop(shot))
        if self._film is not None:
            self._progress.advance(self._film)
