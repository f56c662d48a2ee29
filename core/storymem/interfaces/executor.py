"""Where shot tasks run: in the caller's thread, in threads, in processes, on a cluster.

An executor knows nothing about stories; it moves a picklable task to a worker and its outcome back.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from storymem.interfaces.backbone import Progress
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.work import ShotOutcome, ShotTask


class ShotWorker(Protocol):
    """Owns the backbone, selector and filters of one process and makes shots with them."""

    def run(self, task: ShotTask, progress: Progress) -> ShotOutcome:
        """Make or re-select one shot."""

    def close(self) -> None:
        """Release the backbone."""


class Executor(Plugin[SettingsT]):
    """Runs shot tasks. ``start`` comes first, ``close`` last; ``submit`` only while ``room() > 0``."""

    @abstractmethod
    def start(self, recipe: Callable[[], ShotWorker], workers: int) -> None:
        """Get ready to run ``workers`` tasks side by side.

        Args:
            recipe: Builds a worker. Executors that leave this process must pickle it.
            workers: 1 or more.
        """

    @abstractmethod
    def room(self) -> int:
        """Return how many tasks may be submitted now."""

    @abstractmethod
    def submit(self, task: ShotTask, progress: Progress) -> Future[ShotOutcome]:
        """Start a task.

        Args:
            task: Picklable.
            progress: Called in this process for every step; when it raises, the task must end with that error.
        """

    @abstractmethod
    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        """Give up on a task that does not answer; its future ends with ``reason``.

        Tasks submitted afterwards must run on a worker that answers, or fail at once.
        """
