"""What executors with workers of their own share: one priority queue, and a thread a worker that takes from it.

A subclass says how a worker is built, how it runs one task, and how it is killed. It knows no queue.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import count

from storymem.errors import Cancelled
from storymem.interfaces import Executor, TaskListener, TaskState, TaskStatus, WorkerRecipe
from storymem.interfaces.plugin import SettingsT
from storymem.values.work import ShotOutcome, ShotTask


class WorkerLostError(Exception):
    """The worker is gone; the task may be run by another one."""


@dataclass(eq=False, slots=True)
class Job:
    """A task on its way; told to its listener, and ended exactly once.

    Attributes:
        recipe: Builds the worker it needs.
        task: The task.
        priority: The highest runs first.
        number: In the order of submission, for equal priorities.
        future: What the caller holds.
        attempt: How many workers have had it, this one included.
        cancelled: The next step ends it.
    """

    recipe: WorkerRecipe
    task: ShotTask
    listener: TaskListener
    priority: float
    number: int
    future: Future[ShotOutcome] = field(default_factory=Future)
    attempt: int = 0
    cancelled: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def order(self) -> tuple[float, int]:
        """Return what jobs are sorted by, the first to run first."""
        return -self.priority, self.number

    def tell(self, state: TaskState, place: str = "", reason: str = "") -> None:
        """Report a state, unless the task is over."""
        if not self.future.done():
            self.listener.status(TaskStatus(state, place, max(1, self.attempt), reason))

    def step(self, step: int, total: int) -> None:
        """Report a step; raise where the task is to end."""
        if self.cancelled or self.future.done():
            raise Cancelled(f"shot {self.task.shot}: was given up")
        self.listener.step(step, total)

    def end(self, outcome: ShotOutcome | BaseException) -> bool:
        """End the task, unless it is over; return whether it was not."""
        with self._lock:
            if self.future.done():
                return False
            if isinstance(outcome, BaseException):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)
            return True


@dataclass(eq=False, slots=True)
class Seat:
    """A place for one worker.

    Attributes:
        number: 0 first.
        key: Recipe of the worker that sits there; empty for none.
        job: What it is running.
        stuck: Its thread does not come back; the seat stays taken.
    """

    number: int
    key: str = ""
    job: Job | None = None
    stuck: bool = False


class PoolExecutor(Executor[SettingsT]):
    """An executor with ``workers`` seats."""

    #: How many workers may have a task, one after the other, before it fails because they were all lost.
    attempts: int = 1
    #: Whether tasks leave this process.
    sends_tasks: bool = True

    @abstractmethod
    def place_of(self, seat: Seat) -> str:
        """Return the name of a seat for people."""

    @abstractmethod
    def run(self, seat: Seat, job: Job) -> ShotOutcome:
        """Build or reuse the worker of a seat and run a task on it; reports ``LOADING``, ``RUNNING`` and steps.

        Raises:
            WorkerLostError: The worker died or fell silent.
        """

    @abstractmethod
    def stop(self, seat: Seat) -> None:
        """End the worker of a seat in good order; called by the seat's own thread."""

    @abstractmethod
    def destroy(self, seat: Seat, reason: BaseException) -> None:
        """End a worker that does not answer, from any thread; mark the seat as stuck where that is impossible."""

    def lost(self, error: WorkerLostError) -> BaseException:
        """Return what a task ends with when its last attempt was lost."""
        return error

    def open_seats(self, workers: int) -> None:
        """Get the queue ready; threads start with the first task that needs them."""
        self._free = threading.Condition()
        self._queue: list[Job] = []
        self._seats = [Seat(number) for number in range(workers)]
        self._threads: list[threading.Thread] = []
        self._numbers = count()
        self._closing = False
        self.is_open = True

    def submit(
        self, recipe: WorkerRecipe, task: ShotTask, listener: TaskListener, priority: float = 0.0
    ) -> Future[ShotOutcome]:
        """Queue the task."""
        if self.sends_tasks:
            # Read now: what a shot sees is read from a database that belongs to the caller's thread.
            task = replace(task, visible=tuple(task.visible), visible_ids=tuple(task.visible_ids))
        job = Job(recipe, task, listener, priority, next(self._numbers))
        job.tell(TaskState.QUEUED)
        with self._free:
            self._queue.append(job)
            if len(self._threads) < len(self._seats) and not self._idle():
                self._start_thread(self._seats[len(self._threads)])
            self._free.notify_all()
        return job.future

    def wait_for_room(self, timeout: float) -> bool:
        """Return whether a worker is free and no task waits for it."""
        with self._free:
            return self._free.wait_for(lambda: len(self._queue) < self._vacant(), timeout)

    def cancel(self, future: Future[ShotOutcome]) -> None:
        """End a queued task now, a running one at its next step."""
        job = self._withdraw(future)
        if job is not None:
            job.cancelled = True
            if self._seat_of(job) is None:
                job.end(Cancelled(f"shot {job.task.shot}: was given up"))

    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        """End the task now and the worker with it."""
        job = self._withdraw(future)
        if job is None or not job.end(reason):
            return
        seat = self._seat_of(job)
        if seat is not None:
            self.destroy(seat, reason)

    def fail_queued(self, reason: BaseException) -> None:
        """End everything that is queued."""
        with self._free:
            queued, self._queue = self._queue, []
        for job in queued:
            job.end(reason)

    def close(self) -> None:
        """Wait for what runs, and end all workers; what is queued ends with :class:`Cancelled`."""
        if not self.is_open:
            return
        with self._free:
            self._closing = True
            self._free.notify_all()
        self.fail_queued(Cancelled("the executor was closed"))
        for seat, thread in zip(self._seats, self._threads, strict=False):
            if not seat.stuck:
                thread.join()
        self._threads = []
        self.is_open = False

    # -- the seats' threads -----------------------------------------------------------------------------------

    def _idle(self) -> bool:
        """Whether a started thread has nothing to do for what is queued; called with the lock."""
        waiting = sum(seat.job is None for seat in self._seats[: len(self._threads)])
        return waiting >= len(self._queue)

    def _vacant(self) -> int:
        return sum(seat.job is None for seat in self._seats)

    def _start_thread(self, seat: Seat) -> None:
        # A daemon, so that a hanging backbone cannot keep the program from ending.
        thread = threading.Thread(target=self._serve, args=(seat,), name=f"storymem-worker-{seat.number}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, seat: Seat) -> None:
        while (job := self._next(seat)) is not None:
            again = self._attempt(seat, job)
            with self._free:
                seat.job, seat.stuck = None, False
                if again and not self._closing:
                    self._queue.append(job)
                self._free.notify_all()
            if again and self._closing:
                job.end(Cancelled(f"shot {job.task.shot}: the executor was closed"))
        self.stop(seat)

    def _attempt(self, seat: Seat, job: Job) -> bool:
        """Run a task once; return whether it is to be queued again."""
        job.attempt += 1
        try:
            job.end(self.run(seat, job))
        except WorkerLostError as error:
            seat.key = ""
            if job.future.done() or job.cancelled:
                job.end(Cancelled(f"shot {job.task.shot}: was given up"))
            elif job.attempt >= self.attempts:
                job.end(self.lost(error))
            else:
                job.tell(TaskState.LOST, self.place_of(seat), str(error))
                return True
        except BaseException as error:  # belongs to the future
            job.end(error)
        return False

    def _next(self, seat: Seat) -> Job | None:
        """Wait for the job this seat is to run; None when the executor closes."""
        with self._free:
            while True:
                job = None if self._closing else self._pick(seat)
                if job is not None:
                    self._queue.remove(job)
                    seat.job = job
                    return job
                if self._closing:
                    return None
                self._free.wait()

    def _pick(self, seat: Seat) -> Job | None:
        """Return the most urgent job, unless a worker with its weights is free elsewhere."""
        for job in sorted(self._queue, key=lambda job: job.order):
            if seat.key == job.recipe.key or not any(s.job is None and s.key == job.recipe.key for s in self._seats):
                return job
        return None

    def _seat_of(self, job: Job) -> Seat | None:
        with self._free:
            return next((seat for seat in self._seats if seat.job is job), None)

    def _withdraw(self, future: Future[ShotOutcome]) -> Job | None:
        """Take a task out of the queue if it is there; return it, or the running one, or None if it is over."""
        with self._free:
            job = next((job for job in self._queue if job.future is future), None)
            if job is not None:
                self._queue.remove(job)
                return job
            return next((s.job for s in self._seats if s.job is not None and s.job.future is future), None)
