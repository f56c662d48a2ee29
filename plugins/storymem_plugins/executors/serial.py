"""One shot at a time, in the caller's own thread: easiest to debug."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from storymem.errors import Cancelled
from storymem.interfaces import (
    Executor,
    Progress,
    Requirements,
    ShotWorker,
    TaskListener,
    TaskState,
    TaskStatus,
    WorkerRecipe,
)
from storymem.values.work import ShotOutcome, ShotTask

_PLACE = "this thread"


class SerialExecutor(Executor):
    """Make shots one by one in the engine's thread; time limits are only checked between steps."""

    def describe(self, workers: int, needs: Requirements) -> str:
        """Say that there is one worker, whatever was asked for."""
        return "1 worker, in this process"

    def open(self, workers: int, needs: Requirements) -> None:
        """Get ready; ``workers`` is of no effect."""
        self._workers: dict[str, ShotWorker] = {}
        self._turn = threading.Lock()
        self._running: Future[ShotOutcome] | None = None
        self._cancelled = False
        self.is_open = True

    def submit(
        self, recipe: WorkerRecipe, task: ShotTask, listener: TaskListener, priority: float = 0.0
    ) -> Future[ShotOutcome]:
        """Run the task now, after those of other threads."""
        future: Future[ShotOutcome] = Future()
        listener.status(TaskStatus(TaskState.QUEUED))
        with self._turn:
            self._running, self._cancelled = future, False
            try:
                future.set_result(self._run(recipe, task, listener))
            except Exception as error:  # belongs to the future, as with every executor
                future.set_exception(error)
        return future

    def _run(self, recipe: WorkerRecipe, task: ShotTask, listener: TaskListener) -> ShotOutcome:
        if recipe.key not in self._workers:
            listener.status(TaskStatus(TaskState.LOADING, _PLACE))
            self._workers[recipe.key] = recipe()
        if task.source is None:
            self._workers[recipe.key].load()
        listener.status(TaskStatus(TaskState.RUNNING, _PLACE))
        return self._workers[recipe.key].run(task, self._progress(task, listener))

    def _progress(self, task: ShotTask, listener: TaskListener) -> Progress:
        def step(number: int, total: int) -> None:
            if self._cancelled:
                raise Cancelled(f"shot {task.shot}: was given up")
            listener.step(number, total)

        return step

    def wait_for_room(self, timeout: float) -> bool:
        """Return whether no other thread's task runs, waiting for that."""
        free = self._turn.acquire(timeout=max(0.0, timeout))
        if free:
            self._turn.release()
        return free

    def cancel(self, future: Future[ShotOutcome]) -> None:
        """Let the task end at its next step, if another thread is running it."""
        if self._running is future:
            self._cancelled = True

    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        """Do nothing: a task that was submitted is finished."""

    def close(self) -> None:
        """Release the worker."""
        if self.is_open:
            for worker in self._workers.values():
                worker.close()
            self.is_open = False
