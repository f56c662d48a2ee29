"""Shows a run's events: a progress bar with the time left, plain lines where there is no terminal, or JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from storymem.cli.terminal import OutputFailed, echo, print_json
from storymem.log import describe
from storymem.text import printable
from storymem.values.events import (
    CopyFinished,
    Event,
    FinishingStarted,
    FinishingStep,
    RunStarted,
    ShotFailed,
    ShotFinished,
    ShotStarted,
    ShotStep,
)

Receiver = Callable[[Event], None]


@contextmanager
def receiver(as_json: bool, quiet: bool) -> Iterator[Receiver | None]:
    """Yield what takes the events: JSON lines, nothing, a progress display, or plain lines."""
    if as_json:
        lines = _JsonLines()
        yield lines
        lines.check()
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
        self._error: OutputFailed | None = None

    def __call__(self, event: Event) -> None:
        if self._error is None:
            try:
                print_json(event.to_json())
            except OutputFailed as error:
                self._error = error
                echo(f"{error}; the run continues without it", err=True)

    def check(self) -> None:
        """Raise what stopped the writing, now that the run has ended."""
        if self._error is not None:
            raise self._error


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
        self._finishing: TaskID | None = None
        self._shots: dict[str, TaskID] = {}

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
            case FinishingStarted():
                self._finishing = self._progress.add_task("finishing", total=event.shots)
            case FinishingStep():
                self._step(event)
            case CopyFinished() if self._finishing is not None:
                self._close(event.shot)
                self._progress.advance(self._finishing)

    def _step(self, event: FinishingStep) -> None:
        if event.shot not in self._shots:
            self._shots[event.shot] = self._progress.add_task(event.shot, total=None)
        task, what = self._shots[event.shot], f"{event.shot} {event.finisher}"
        self._progress.update(task, description=what, completed=event.step, total=event.total)

    def _close(self, shot: str) -> None:
        if shot in self._shots:
            self._progress.remove_task(self._shots.pop(shot))

    def _end(self, shot: str) -> None:
        self._close(shot)
        if self._film is not None:
            self._progress.advance(self._film)
