"""Shots side by side in processes, each with its own backbone: for many GPUs, and for backbones that may hang."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from storymem.errors import Cancelled, ShotError
from storymem.interfaces import PluginSettings, Requirements, TaskState, WorkerRecipe
from storymem.placement import VISIBLE, Placement, place, visible_gpus
from storymem.values.work import ShotOutcome
from storymem_plugins.executors.child import serve
from storymem_plugins.executors.pool import Job, PoolExecutor, Seat, WorkerLostError
from storymem_plugins.executors.recipes import PickledRecipes

_SAFE_PATH = "PYTHONSAFEPATH"
#: Spawned processes inherit the environment, and there is one of those in a process.
_ENVIRONMENT = threading.Lock()


class ProcessSettings(PluginSettings):
    """Settings of the process executor.

    Attributes:
        share_gpus: Whether several workers may use the same GPU, where there are more workers than GPUs.
    """

    share_gpus: bool = False


@dataclass(slots=True)
class _Child:
    process: SpawnProcess
    pipe: Connection


class ProcessExecutor(PoolExecutor[ProcessSettings]):
    """Make shots in worker processes; a worker that hangs is killed and replaced.

    Every worker has its own GPUs, if its backbone uses any: CUDA_VISIBLE_DEVICES is set before the process starts, and
    so before torch can load in it. Processes are spawned, so plugins given as objects must be picklable.
    """

    def describe(self, workers: int, needs: Requirements) -> str:
        """Return which worker has which GPUs."""
        return str(self._place(workers, needs))

    def open(self, workers: int, needs: Requirements) -> None:
        """Decide who gets which GPUs; processes start with their first task."""
        self._placement = self._place(workers, needs)
        self._recipes = PickledRecipes("process", "another process")
        self._children: dict[int, _Child] = {}
        # Weights pass through host memory on their way to a GPU: one worker at a time where not all fit.
        short = needs.memory * workers > _memory()
        self._loading = threading.Lock() if short and workers > 1 else nullcontext()
        self.open_seats(workers)

    def check_recipe(self, recipe: WorkerRecipe) -> None:
        """Raise :class:`PluginError` if a plugin object cannot be sent to another process."""
        self._recipes.of(recipe)

    def place_of(self, seat: Seat) -> str:
        """Return the process, and the GPUs it has."""
        child, gpus = self._children.get(seat.number), self._placement.workers[seat.number]
        name = f"process {child.process.pid}" if child else f"worker {seat.number + 1}"
        return f"{name}, GPU {'+'.join(gpus)}" if gpus else name

    def run(self, seat: Seat, job: Job) -> ShotOutcome:
        """Send a task to the seat's process, starting one if needed, and pass on what it reports."""
        child = self._child(seat, job)
        try:
            answer: ShotOutcome | BaseException | None = self._load(seat, child, job)
            if answer is None:
                job.tell(TaskState.RUNNING, self.place_of(seat))
                with suppress(BrokenPipeError):  # it has just died: what follows says so
                    child.pipe.send(job.task)
                answer = self._follow(child, job)
        except (EOFError, OSError):
            child.process.join()
            self._forget(seat)
            code = child.process.exitcode
            raise WorkerLostError(f"worker process ended with exit code {code} (killed, or out of memory?)") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def lost(self, error: WorkerLostError) -> BaseException:
        """A process that died would most likely die again: its task fails."""
        return ShotError(str(error))

    def stop(self, seat: Seat) -> None:
        """Let the process end."""
        child = self._children.get(seat.number)
        if child is not None:
            with suppress(BrokenPipeError):  # it died by itself
                child.pipe.send(None)
            child.process.join()
            self._forget(seat)

    def destroy(self, seat: Seat, reason: BaseException) -> None:
        """Kill the process; its seat is free for a new one."""
        child = self._children.get(seat.number)
        if child is not None:
            child.process.kill()
            child.process.join()

    def _place(self, workers: int, needs: Requirements) -> Placement:
        gpus = visible_gpus(os.environ) if needs.gpus else ()
        return place(workers, needs.gpus, gpus, self.settings.share_gpus)

    def _child(self, seat: Seat, job: Job) -> _Child:
        child = self._children.get(seat.number)
        if child is not None and (not child.process.is_alive() or seat.key != job.recipe.key):
            self.stop(seat)
            child = None
        if child is None:
            child = self._children[seat.number] = self._spawn(seat, job.recipe)
            seat.key = ""
        return child

    def _forget(self, seat: Seat) -> None:
        self._children.pop(seat.number).pipe.close()
        seat.key = ""

    def _spawn(self, seat: Seat, recipe: WorkerRecipe) -> _Child:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self._recipes.of(recipe)), daemon=True)
        # A pickle.py in the working folder is no part of the program: Python reads this variable as it starts, and
        # what this process has in its own module path is handed over afterwards.
        changes = {_SAFE_PATH: "1"}
        if gpus := self._placement.workers[seat.number]:
            changes[VISIBLE] = ",".join(gpus)
        with _environment(changes):
            process.start()
        theirs.close()
        return _Child(process, ours)

    def _load(self, seat: Seat, child: _Child, job: Job) -> BaseException | None:
        """Let a new process build its worker; return the error if it cannot, and the process has ended."""
        if seat.key == job.recipe.key:
            return None
        with self._loading:
            job.tell(TaskState.LOADING, self.place_of(seat))
            child.pipe.send(job.task.source is None)
            error: BaseException | None = child.pipe.recv()
        if error is None:
            seat.key = job.recipe.key
        else:
            self.stop(seat)
        return error

    @staticmethod
    def _follow(child: _Child, job: Job) -> ShotOutcome | BaseException:
        """Pass on steps until the outcome or the error comes."""
        while True:
            message = child.pipe.recv()
            if isinstance(message, ShotOutcome | BaseException):
                return message
            child.pipe.send(_go_on(job, *message))


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change environment variables for as long as a process takes to start."""
    with _ENVIRONMENT:
        before = {name: os.environ.get(name) for name in changes}
        os.environ.update(changes)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _go_on(job: Job, step: int, total: int) -> bool:
    """Report a step; return whether the worker is to continue."""
    try:
        job.step(step, total)
    except Cancelled:
        return False
    return True


def _memory() -> int:
    """Return the host memory that is free, in bytes."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
