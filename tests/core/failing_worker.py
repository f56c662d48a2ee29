"""A worker that only fails; in a module of its own, so that a spawned process can import it."""

from __future__ import annotations

from storymem.errors import DamagedFile, StoryMemError
from storymem.interfaces import Progress, WorkerRecipe
from storymem.values.work import ShotOutcome, ShotTask


class TwoPartError(StoryMemError):
    """Cannot be unpickled: its constructor takes other arguments than it hands on."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")


class TwoPartBug(Exception):
    """The same, unexpected."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")


class Failing(WorkerRecipe):
    """A worker, and the recipe for itself, that fails in a given way."""

    def __init__(self, how: str) -> None:
        self._how = how
        self.key = how

    def __call__(self) -> Failing:
        return self

    def load(self) -> None:
        pass

    def run(self, task: ShotTask, progress: Progress) -> ShotOutcome:
        if self._how == "expected":
            raise TwoPartError("server", "is gone")
        if self._how == "bug":
            raise TwoPartBug("index", "out of range")
        if self._how == "local":
            raise type("LocalError", (StoryMemError,), {})("made here")
        raise DamagedFile("a.png: is damaged", "abc")

    def close(self) -> None:
        pass
