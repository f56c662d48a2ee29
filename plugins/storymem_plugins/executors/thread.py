"""Shots side by side in threads that share one worker: one copy of the weights, pictures overlapped with files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from storymem.errors import ShotError
from storymem.interfaces import Executor, Progress, ShotWorker
from storymem.values.work import ShotOutcome, ShotTask


class ThreadExecutor(Executor):
    """Make shots in threads of this process (the default).

    A backbone that is not concurrent is used by one shot at a time; the others meanwhile write files and
    choose keyframes. A thread cannot be stopped: after a backbone hung past ``shot_timeout``, the remaining
    shots fail at once. Use ``process`` for a backbone that may hang.
    """

    def start(self, recipe: Callable[[], ShotWorker], workers: int) -> None:
        """Build the worker; threads start with their tasks."""
        self._worker = recipe()
        self._workers = workers
        self._lock = threading.Lock()
        self._threads: dict[Future[ShotOutcome], threading.Thread] = {}
        self._hung: str | None = None

    def room(self) -> int:
        """Return the number of idle threads."""
        with self._lock:
            return self._workers - len(self._threads)

    def submit(self, task: ShotTask, progress: Progress) -> Future[ShotOutcome]:
        """Run the task in a thread of its own."""
        future: Future[ShotOutcome] = Future()
        if self._hung is not None:
            future.set_exception(ShotError(f"not tried: the backbone hangs ({self._hung}); use executor=process"))
            return future
        # A daemon, so that a hanging backbone cannot keep the program from ending.
        thread = threading.Thread(target=self._run, args=(future, task, progress), name=task.shot, daemon=True)
        with self._lock:
            self._threads[future] = thread
        thread.start()
        return future

    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        """End the future; the thread is left behind and nothing more is given to its backbone."""
        with self._lock:
            if self._threads.pop(future, None) is None:
                return
            self._hung = str(reason)
        future.set_exception(reason)

    def close(self) -> None:
        """Wait for the threads that still answer, and release the worker."""
        for thread in list(getattr(self, "_threads", {}).values()):
            thread.join()
        if hasattr(self, "_worker") and self._hung is None:
            self._worker.close()

    def _run(self, future: Future[ShotOutcome], task: ShotTask, progress: Progress) -> None:
        outcome: ShotOutcome | None = None
        error: BaseException | None = None
        try:
            outcome = self._worker.run(task, progress)
        except BaseException as raised:  # belongs to the future
            error = raised
        with self._lock:
            if self._threads.pop(future, None) is None:
                return  # killed meanwhile
        if outcome is not None:
            future.set_result(outcome)
        else:
            future.set_exception(error)
