"""Shows a run's events: a progress bar with the time left, plain lines where there is no terminal, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from storymem.log import describe
from storymem.values.events import Event, RunStarted, ShotFailed, ShotFinished, ShotStarted, ShotStep

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
    """Writes events as JSON lines until nobody reads them; a film is not given up because a reader has left."""

    def __init__(self) -> None:
        self._error: OSError | None = None

    def __call__(self, event: Event) -> None:
        if self._error is None:
            try:
                print_json(event.to_json())
            except OSError as error:
                self._error = error

    def check(self) -> None:
        """Raise what stopped the writing."""
        if self._error is not None:
            raise self._error


def print_json(value: object) -> None:
    """Write one JSON line to standard output at once, so that a reader of a pipe sees events as they happen."""
    if sys.stdout is not None:  # where it is closed, the program says so when it ends
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _plain(event: Event) -> None:
    line = describe(event)
    if line is not None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


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
            self._progress.console.print(line, highlight=False, markup=False)
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
