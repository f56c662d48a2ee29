"""Shots side by side in threads that share one worker: one copy of the weights, pictures overlapped with files."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from storymem.errors import ShotError
from storymem.interfaces import NoSettings, Requirements, ShotWorker, TaskListener, TaskState, WorkerRecipe
from storymem.values.work import ShotOutcome, ShotTask
from storymem_plugins.executors.pool import Job, PoolExecutor, Seat


class ThreadExecutor(PoolExecutor[NoSettings]):
    """Make shots in threads of this process (the default).

    A backbone that is not concurrent is used by one shot at a time; the others meanwhile write files and
    choose keyframes. A thread cannot be stopped: after a backbone hung past ``shot_timeout``, the remaining
    shots fail at once. Use ``process`` for a backbone that may hang.
    """

    sends_tasks = False

    def describe(self, workers: int, needs: Requirements) -> str:
        """Say how many threads share the one copy of the weights."""
        threads = f"{workers} thread{'s' if workers > 1 else ''}"
        return f"{threads} of this process, sharing one copy of the weights"

    def open(self, workers: int, needs: Requirements) -> None:
        """Get ready; threads start with their tasks."""
        self._workers: dict[str, ShotWorker] = {}
        self._building = threading.Lock()
        self._hung: str | None = None
        self.open_seats(workers)

    def submit(
        self, recipe: WorkerRecipe, task: ShotTask, listener: TaskListener, priority: float = 0.0
    ) -> Future[ShotOutcome]:
        """Queue the task, unless the backbone hangs."""
        if self._hung is None:
            return super().submit(recipe, task, listener, priority)
        future: Future[ShotOutcome] = Future()
        future.set_exception(self._not_tried())
        return future

    def place_of(self, seat: Seat) -> str:
        """Return the number of the thread."""
        return f"thread {seat.number + 1}"

    def run(self, seat: Seat, job: Job) -> ShotOutcome:
        """Run a task on the worker that all threads share."""
        with self._building:
            if self._hung is not None:
                raise self._not_tried()
            if job.recipe.key not in self._workers:
                job.tell(TaskState.LOADING, self.place_of(seat))
                self._workers[job.recipe.key] = job.recipe()
            worker = self._workers[job.recipe.key]
            if job.task.source is None:
                worker.load()
        seat.key = job.recipe.key
        job.tell(TaskState.RUNNING, self.place_of(seat))
        return worker.run(job.task, job.step)

    def stop(self, seat: Seat) -> None:
        """Do nothing: the worker is shared."""

    def destroy(self, seat: Seat, reason: BaseException) -> None:
        """Leave the thread behind; nothing more is given to its backbone."""
        self._hung, seat.stuck = str(reason), True
        self.fail_queued(self._not_tried())

    def close(self) -> None:
        """Wait for the threads that still answer, and release the workers."""
        if self.is_open:
            super().close()
            if self._hung is None:
                for worker in self._workers.values():
                    worker.close()

    def _not_tried(self) -> ShotError:
        return ShotError(f"not tried: the backbone hangs ({self._hung}); use executor=process")
