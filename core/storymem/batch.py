"""Many stories over the workers of one session: a film each, and one queue of shots for all.

A shot waits for the shots it depends on and for nothing else; of those that are ready, in whichever story, the one with
the longest chain of shots behind it runs first. Stories are opened as workers fall idle, the one with the longest chain
first, so that a thousand stories are not all held open. Rendering a batch again resumes it, since every run folder
finds what it has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from storymem.engine.cancel import CancelToken
from storymem.engine.plan import StoryPlan
from storymem.errors import Cancelled, SettingsError, StoryMemError
from storymem.result import RunResult
from storymem.session import Session
from storymem.values.events import Event, ShotFinished

#: Seconds between looks at whether a worker is idle.
_TICK = 0.2


@dataclass(frozen=True, slots=True)
class BatchStory:
    """A story of a batch: its script file and its run folder."""

    script: Path
    folder: Path

    @property
    def name(self) -> str:
        """How the story is called in events and tables: as its run folder."""
        return self.folder.name


class StoryState(StrEnum):
    """Where a story of a batch has got to."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class StoryProgress:
    """One row of a batch's table.

    Attributes:
        story: The story.
        state: Where it has got to.
        shots: How many it has; 0 where its script cannot be planned.
        done: How many are finished.
        chain: How many of its shots must be made one after another.
        error: Why it failed, in one line; empty otherwise.
        result: What rendering it returned, if it did.
    """

    story: BatchStory
    state: StoryState = StoryState.WAITING
    shots: int = 0
    done: int = 0
    chain: int = 0
    error: str = ""
    result: RunResult | None = None


#: Receives a story's name and its event, one at a time.
BatchReceiver = Callable[[str, Event], None]


def stories_in(folder: Path, scripts: Sequence[Path]) -> list[BatchStory]:
    """Return scripts as stories of a batch, each with a run folder named after its file.

    Raises:
        SettingsError: Two scripts would share a run folder.
    """
    stories = [BatchStory(script, folder / script.stem) for script in scripts]
    seen: dict[Path, Path] = {}
    for story in stories:
        if story.folder in seen:
            raise SettingsError(f"{story.script} and {seen[story.folder]} would both be rendered into {story.folder}")
        seen[story.folder] = story.script
    return stories


class Batch:
    """Renders stories with one session's plugins and workers.

    Args:
        session: Its weights and workers stay for all of them, and for whatever comes after.
        stories: What to render.
        on_event: Receives every event of every story; must be quick.
        cancel: Stops all stories between steps.
    """

    def __init__(
        self,
        session: Session,
        stories: Sequence[BatchStory],
        on_event: BatchReceiver | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self._session = session
        self._on_event = on_event
        self._cancel = cancel or CancelToken()
        self._rows = {story.name: StoryProgress(story) for story in stories}
        self._lock = threading.Lock()
        self._bug: BaseException | None = None

    def table(self) -> list[StoryProgress]:
        """Return a row for each story, in the order given; may be asked at any time, from any thread."""
        with self._lock:
            return list(self._rows.values())

    def plan(self) -> list[str]:
        """Check every story, and return remarks for the user, a line each. A story that is wrong fails alone."""
        plans: dict[str, StoryPlan] = {}
        for name, row in list(self._rows.items()):
            try:
                plan = plans[name] = self._session.plan(row.story.script)
            except StoryMemError as error:
                self._change(name, state=StoryState.FAILED, error=str(error))
            else:
                chain = len(plan.graph.critical_path())
                self._change(name, shots=len(plan.board), chain=chain)
        return self._remarks()

    def render(self) -> list[StoryProgress]:
        """Render all stories and return the table. One that fails stops no other.

        Raises:
            Cancelled: On request; everything finished is kept.
            SettingsError: The workers do not fit on the machine.
        """
        if not any(row.shots for row in self._rows.values()):
            self.plan()
        executor = self._session.executor()
        self._session.recipe()  # built once, before stories ask for it side by side
        self._session.finishers()
        waiting = sorted((r for r in self.table() if r.state is StoryState.WAITING), key=lambda r: -r.chain)
        threads: list[threading.Thread] = []
        while waiting and not self._stopping:
            threads = [thread for thread in threads if thread.is_alive()]
            # A story that has just been opened has not asked for a worker yet.
            if not threads or executor.wait_for_room(_TICK):
                threads.append(self._open(waiting.pop(0)))
        for thread in threads:
            thread.join()
        if self._bug is not None:
            raise self._bug
        self._cancel.check()
        return self.table()

    @property
    def _stopping(self) -> bool:
        return self._cancel.cancelled or self._bug is not None

    def _open(self, row: StoryProgress) -> threading.Thread:
        """Start a story; return once it has shots with the executor, or is over."""
        begun = threading.Event()
        name = row.story.name
        thread = threading.Thread(target=self._render, args=(row.story, begun), name=f"story {name}")
        thread.start()
        begun.wait()
        return thread

    def _render(self, story: BatchStory, begun: threading.Event) -> None:
        def receive(event: Event) -> None:
            if type(event).__name__ in {"ShotPlaced", "FilmWritten"}:
                begun.set()
            self._take(story.name, event)

        self._change(story.name, state=StoryState.RUNNING)
        try:
            result = self._session.render(story.script, story.folder, receive, self._cancel)
            error = next(iter(result.failures.values()), "")
            state = StoryState.FAILED if result.failures else StoryState.FINISHED
            self._change(story.name, state=state, error=error, result=result)
        except Cancelled:
            self._change(story.name, state=StoryState.CANCELLED)
        except StoryMemError as error:
            self._change(story.name, state=StoryState.FAILED, error=str(error))
        except BaseException as error:  # a bug: carried to the caller, and the other stories are stopped
            self._bug = error
            self._cancel.cancel()
        finally:
            begun.set()

    def _take(self, name: str, event: Event) -> None:
        with self._lock:
            if isinstance(event, ShotFinished):
                row = self._rows[name]
                self._rows[name] = replace(row, done=row.done + 1)
            if self._on_event is not None:
                self._on_event(name, event)

    def _change(self, name: str, **fields: object) -> None:
        with self._lock:
            self._rows[name] = replace(self._rows[name], **fields)  # type: ignore[arg-type]

    def _remarks(self) -> list[str]:
        workers, rows = self._session.settings.workers, [row for row in self.table() if row.shots]
        shots, chains = sum(row.shots for row in rows), sum(row.chain for row in rows)
        remarks = []
        if rows and len(rows) < workers and chains > shots / 2:
            remarks.append(
                f"{len(rows)} stories for {workers} workers: their shots mostly wait for each other, so that about "
                f"{len(rows)} workers will be busy"
            )
        if shots and chains > 0.8 * shots and workers > 1:
            policy = self._session.settings.policy.name
            remarks.append(
                f"{chains} of {shots} shots are made one after another; policy {policy} or hand-overs make chains "
                "(scheduled_coverage makes fewer)"
            )
        return remarks
