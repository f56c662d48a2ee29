"""Where shot tasks run: in the caller's thread, in threads, in processes, on a cluster.

An executor knows nothing about stories; it moves a picklable task to a worker and its outcome back. It is opened once,
outlives runs, and takes tasks of several runs at the same time, the most urgent first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from storymem.interfaces.backbone import Progress, Requirements
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.work import ShotOutcome, ShotTask


class ShotWorker(Protocol):
    """Owns the backbone, selector and filters of one process and makes shots with them."""

    def load(self) -> None:
        """Load the weights, so that the next task begins with its first step; does nothing if they are loaded."""

    def run(self, task: ShotTask, progress: Progress) -> ShotOutcome:
        """Make or re-select one shot."""

    def close(self) -> None:
        """Release the backbone."""


class WorkerRecipe(ABC):
    """Builds workers. Picklable where the executor leaves this process.

    Attributes:
        key: Equal for recipes whose workers are interchangeable: a worker is kept, with its weights, for the next task
            of the same key, whichever run it belongs to.
        files: Local plugin files that must be loaded before the recipe can be unpickled elsewhere.
    """

    key: str = ""
    files: Sequence[Path] = ()

    @abstractmethod
    def __call__(self) -> ShotWorker:
        """Build a worker.

        Raises:
            PluginError: A plugin cannot be built here, or would give other results than the engine's own.
        """

    def moved(self, files: Sequence[Path]) -> WorkerRecipe:
        """Return the same recipe with its plugin files, in the same order, at other places."""
        return self


class TaskState(StrEnum):
    """Where a task has got to.

    ``LOST`` means that the worker is gone and that the task is queued again, for another attempt.
    """

    QUEUED = "queued"
    LOADING = "loading"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The state of a task.

    Attributes:
        state: The state.
        place: The worker, as a person would name it; empty while the task is queued.
        attempt: 1 for the first worker that has it, 2 after that one was lost.
        reason: Why it was lost; empty otherwise.
    """

    state: TaskState
    place: str = ""
    attempt: int = 1
    reason: str = ""


class TaskListener(Protocol):
    """Hears of one task, on any thread of this process, one call at a time."""

    def status(self, status: TaskStatus) -> None:
        """The state has changed. Must not raise."""

    def step(self, step: int, total: int) -> None:
        """The backbone has done a step; when this raises, the task must end with that error."""


class Executor(Plugin[SettingsT]):
    """Runs shot tasks. ``open`` comes first, ``close`` last; after ``close`` it may be opened again."""

    #: Whether it is open; kept by ``open`` and ``close``.
    is_open: bool = False

    @abstractmethod
    def describe(self, workers: int, needs: Requirements) -> str:
        """Return in one line where ``workers`` workers would run, without starting anything.

        Raises:
            SettingsError: What they need is not there; says what is and what to change.
        """

    @abstractmethod
    def open(self, workers: int, needs: Requirements) -> None:
        """Get ready to run ``workers`` tasks side by side.

        Args:
            workers: 1 or more.
            needs: What one worker needs.

        Raises:
            SettingsError: As from :meth:`describe`.
        """

    def check_recipe(self, recipe: WorkerRecipe) -> None:
        """Raise :class:`PluginError` if the recipe cannot be sent to where the workers are; asked once a run."""

    @abstractmethod
    def submit(
        self, recipe: WorkerRecipe, task: ShotTask, listener: TaskListener, priority: float = 0.0
    ) -> Future[ShotOutcome]:
        """Queue a task. May be called from any thread.

        Args:
            recipe: Builds the worker it needs.
            task: Picklable.
            listener: Hears of its states and steps.
            priority: Tasks of higher priority run first; among equals, those submitted first.
        """

    @abstractmethod
    def wait_for_room(self, timeout: float) -> bool:
        """Return whether a task submitted now would find a worker free, waiting up to ``timeout`` seconds for that."""

    @abstractmethod
    def cancel(self, future: Future[ShotOutcome]) -> None:
        """Ask a task to end with :class:`Cancelled`: a queued one at once, a running one at its next step."""

    @abstractmethod
    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        """Give up on a task that does not answer; its future ends with ``reason`` at once.

        Tasks submitted afterwards must run on a worker that answers, or fail at once.
        """
