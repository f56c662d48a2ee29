"""The tasks of one run that an executor has: their states and steps as events, their time limits, and their end.

Knows the executor and no graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from storymem.engine.cancel import CancelToken
from storymem.errors import Cancelled, ShotError
from storymem.interfaces import Executor, TaskState, TaskStatus, WorkerRecipe
from storymem.values.events import Event, ShotPlaced, ShotStarted, ShotStep
from storymem.values.work import ShotOutcome, ShotTask

#: Longest wait between looks at cancellation and time limits, in seconds.
_TICK = 0.2

ShotT = TypeVar("ShotT")


class _Task(Generic[ShotT]):
    """One task, as its listener: what the executor tells of it becomes events."""

    def __init__(self, shot: ShotT, started: ShotStarted, runner: TaskRunner[ShotT]) -> None:
        self.shot = shot
        self.name = started.shot
        self.since: float | None = None  # when the attempt began to run
        self.begun = False  # a step was done; until then it may wait for its turn of the backbone
        self.killed = False
        self.first = 0.0  # when the first attempt began to run
        self._started: ShotStarted | None = started
        self._runner = runner

    def status(self, status: TaskStatus) -> None:
        self.begun, self.since = False, None
        if status.state is TaskState.RUNNING:
            self.since = time.monotonic()
            self.first = self.first or self.since
        event = ShotPlaced(
            shot=self.name, state=status.state, place=status.place, attempt=status.attempt, reason=status.reason
        )
        if status.state in {TaskState.LOADING, TaskState.RUNNING} and self._started is not None:
            self._runner.deliver(self._started)
            self._started = None
        self._runner.deliver(event)

    def step(self, step: int, total: int) -> None:
        self._runner.check(self.name, self.killed)
        self.begun, self.since = True, self.since if self.begun else time.monotonic()
        self._runner.deliver(ShotStep(shot=self.name, step=step, total=total))
        self._runner.check(self.name, self.killed)


@dataclass(frozen=True, slots=True)
class Ended(Generic[ShotT]):
    """A task that is over: its shot, its future, and the seconds since it first ran."""

    shot: ShotT
    future: Future[ShotOutcome]
    seconds: float


class TaskRunner(Generic[ShotT]):
    """Runs the tasks of one pass.

    Args:
        executor: Open; may have tasks of other runs.
        recipe: Builds its workers.
        emit: Receives events, on any thread.
        cancel: Stops the run between steps.
        timeout: Seconds that one attempt at a shot may take; None for no limit.
    """

    def __init__(
        self,
        executor: Executor,
        recipe: WorkerRecipe,
        emit: Callable[[Event], None],
        cancel: CancelToken,
        timeout: float | None,
    ) -> None:
        self._executor = executor
        self._recipe = recipe
        self._emit = emit
        self._cancel = cancel
        self._timeout = timeout
        self._tasks: dict[Future[ShotOutcome], _Task[ShotT]] = {}
        self._alive = 0.0  # when a running shot last gave a sign of life
        self._bug: BaseException | None = None  # what a receiver of events raised on an executor's thread
        self._stopped = False

    def __len__(self) -> int:
        return len(self._tasks)

    def submit(self, shot: ShotT, started: ShotStarted, task: ShotTask, priority: float) -> None:
        """Hand a task to the executor; ``started`` is emitted when a worker has it."""
        listener = _Task(shot, started, self)
        self._tasks[self._executor.submit(self._recipe, task, listener, priority)] = listener

    def wait(self) -> list[Ended[ShotT]]:
        """Wait a moment for tasks to end; return those that did."""
        if not self._tasks:
            return []
        finished, _ = wait(self._tasks, timeout=_TICK, return_when=FIRST_COMPLETED)
        self._kill_overdue()
        if self._cancel.cancelled:
            self._cancel_all()
        now = time.monotonic()
        ended = [(future, self._tasks.pop(future)) for future in finished]
        return [Ended(task.shot, future, now - (task.first or now)) for future, task in ended]

    def raise_bug(self) -> None:
        """Raise what a receiver of events raised, if one did."""
        if self._bug is not None:
            raise self._bug

    def abandon(self) -> None:
        """End everything at its next step and wait for it: nothing may write into a run folder that is let go."""
        self._stopped = True
        self._cancel_all()
        while self._tasks:
            self.wait()

    def deliver(self, event: Event) -> None:
        """Emit an event; a receiver that fails is not the backbone's fault, and is carried past it to the caller."""
        if self._bug is None:
            try:
                self._emit(event)
            except BaseException as error:
                self._bug = error

    def check(self, shot: str, killed: bool) -> None:
        """Raise :class:`Cancelled` where a task is to end; called at every step."""
        self._alive = time.monotonic()
        self._cancel.check()
        if killed or self._stopped:
            raise Cancelled(f"shot {shot}: was given up")
        if self._bug is not None:
            raise Cancelled(f"shot {shot}: an event could not be delivered") from self._bug

    def _cancel_all(self) -> None:
        for future in self._tasks:
            self._executor.cancel(future)

    def _kill_overdue(self) -> None:
        if self._timeout is None:
            return
        for future, task in list(self._tasks.items()):
            if task.since is None or task.killed or future.done():
                continue  # queued or loading: it waits for a machine, which is no fault of the shot
            # Waiting while others work is not hanging; waiting for one that hangs is.
            since = task.since if task.begun else max(task.since, self._alive)
            if time.monotonic() - since > self._timeout:
                task.killed = True
                why = f"shot {task.name}: gave up after {self._timeout:g} s (shot_timeout)"
                self._executor.kill(future, ShotError(why))
