"""One shot at a time, in the caller's own thread: easiest to debug."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from storymem.interfaces import Executor, Progress, ShotWorker
from storymem.values.work import ShotOutcome, ShotTask


class SerialExecutor(Executor):
    """Make shots one by one in the engine's thread; time limits are only checked between steps."""

    def start(self, recipe: Callable[[], ShotWorker], workers: int) -> None:
        """Build the one worker; ``workers`` is of no effect."""
        self._worker = recipe()

    def room(self) -> int:
        """Return 1: every task is finished when ``submit`` returns."""
        return 1

    def submit(self, task: ShotTask, progress: Progress) -> Future[ShotOutcome]:
        """Run the task now."""
        future: Future[ShotOutcome] = Future()
        try:
            future.set_result(self._worker.run(task, progress))
        except Exception as error:  # belongs to the future, as with every executor
            future.set_exception(error)
        return future

    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        """Do nothing: a task that was submitted is finished."""

    def close(self) -> None:
        """Release the worker."""
        if hasattr(self, "_worker"):
            self._worker.close()
