"""The contract of executors."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from storymem.errors import Cancelled, ShotError
from storymem.interfaces import Executor, Progress, Requirements, TaskState, TaskStatus, WorkerRecipe
from storymem.testing.contract import PluginContract, not_given
from storymem.values.request import ShotRequest
from storymem.values.work import ShotOutcome, ShotRef, ShotTask

_TIMEOUT = 40.0


class StepWorker:
    """A shot worker that takes three steps and makes nothing; it names the shot's outcome after its own recipe.

    Shots whose id begins with ``fail`` fail, with ``hang`` hang after their first step, with ``hold`` take steps until
    they are stopped.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._loaded = False

    def load(self) -> None:
        """Be loaded."""
        self._loaded = True

    def run(self, task: ShotTask, progress: Progress) -> ShotOutcome:
        """Take the steps."""
        if not self._loaded:
            raise ShotError(f"shot {task.shot}: the weights were not loaded")
        if task.shot.startswith("fail"):
            raise ShotError(f"shot {task.shot}: was told to fail")
        progress(1, 3)
        if task.shot.startswith("hang"):
            time.sleep(_TIMEOUT)
        while task.shot.startswith("hold"):
            time.sleep(0.01)
            progress(1, 3)
        for step in (2, 3):
            time.sleep(0.01)
            progress(step, 3)
        return ShotOutcome(shot=f"{task.shot}{self._name}")

    def close(self) -> None:
        """Hold nothing, release nothing."""


class StepRecipe(WorkerRecipe):
    """Builds a :class:`StepWorker`.

    Args:
        name: Its key; an empty one is called ``steps``.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name
        self.key = name or "steps"

    def __call__(self) -> StepWorker:
        """Build the worker, unless it is called ``refused``."""
        if self._name == "refused":
            raise ShotError("no worker can be built here")
        return StepWorker(self._name)


class HeardTask:
    """A listener that keeps what it hears.

    Attributes:
        statuses: Every status, in order.
        steps: Every step as (step, total), in order.
        raises: Raised at the next step, if it is set.
    """

    def __init__(self, raises: BaseException | None = None) -> None:
        self.statuses: list[TaskStatus] = []
        self.steps: list[tuple[int, int]] = []
        self.raises = raises
        self._begun = threading.Event()

    def status(self, status: TaskStatus) -> None:
        """Keep a status."""
        self.statuses.append(status)

    def step(self, step: int, total: int) -> None:
        """Keep a step."""
        self.steps.append((step, total))
        self._begun.set()
        if self.raises is not None:
            raise self.raises

    @property
    def states(self) -> list[TaskState]:
        """The states in order."""
        return [status.state for status in self.statuses]

    def wait_until_begun(self) -> None:
        """Wait for the first step."""
        assert self._begun.wait(_TIMEOUT), f"the task never began: {self.states}"


class ExecutorContract(PluginContract):
    """Subclass it and override :meth:`executor`.

    Attributes:
        parallel: With two workers two tasks run at the same time, and ``submit`` does not wait for them.
        can_kill: A task that does not answer can be given up while it runs.
        survives_kill: Tasks submitted after that run; otherwise they must fail at once.
    """

    parallel: bool = True
    can_kill: bool = True
    survives_kill: bool = True

    @pytest.fixture
    def executor(self) -> Executor[Any]:
        """Return the executor under test, not open yet."""
        not_given(self, "executor")

    @pytest.fixture
    def started(self, executor: Executor[Any]) -> Any:
        """The executor with two workers."""
        executor.open(2, Requirements())
        yield executor
        executor.close()

    def submit(
        self,
        executor: Executor[Any],
        shot: str,
        listener: HeardTask | None = None,
        recipe: str = "",
        priority: float = 0.0,
    ) -> Future[ShotOutcome]:
        """Submit a task without work."""
        task = step_task(shot)
        return executor.submit(StepRecipe(recipe), task, listener or HeardTask(), priority)

    def test_has_a_fingerprint(self, executor: Executor[Any]) -> None:
        self.check_plugin(executor)

    def test_says_where_shots_are_made(self, executor: Executor[Any]) -> None:
        text = executor.describe(2, Requirements())
        assert text
        assert "\n" not in text
        assert not executor.is_open, "describing starts nothing"

    def test_is_open_until_it_is_closed_and_opens_again(self, executor: Executor[Any]) -> None:
        for _ in range(2):
            executor.open(1, Requirements())
            assert executor.is_open
            assert self.submit(executor, "1.1").result(_TIMEOUT).shot == "1.1"
            executor.close()
            assert not executor.is_open

    def test_runs_every_task(self, started: Executor[Any]) -> None:
        assert started.wait_for_room(0)
        futures = [self.submit(started, f"1.{number}") for number in range(5)]
        assert [future.result(_TIMEOUT).shot for future in futures] == [f"1.{number}" for number in range(5)]
        assert started.wait_for_room(_TIMEOUT), "room is not given back"

    def test_tells_states_and_steps(self, started: Executor[Any]) -> None:
        heard = HeardTask()
        self.submit(started, "1.1", heard).result(_TIMEOUT)
        assert heard.steps == [(1, 3), (2, 3), (3, 3)]
        assert heard.states == [TaskState.QUEUED, TaskState.LOADING, TaskState.RUNNING]
        assert [status.attempt for status in heard.statuses] == [1, 1, 1]
        assert heard.statuses[-1].place

    def test_a_worker_stays_for_tasks_of_its_recipe(self, executor: Executor[Any]) -> None:
        executor.open(1, Requirements())
        try:
            heard = [HeardTask() for _ in range(3)]
            named = [
                self.submit(executor, "1.1", listener, recipe).result(_TIMEOUT).shot
                for listener, recipe in zip(heard, ("a", "a", "b"), strict=True)
            ]
        finally:
            executor.close()
        assert named == ["1.1a", "1.1a", "1.1b"]
        assert [TaskState.LOADING in listener.states for listener in heard] == [True, False, True]

    def test_what_is_urgent_runs_first(self, executor: Executor[Any]) -> None:
        if not self.parallel:
            pytest.skip("tasks run as they are submitted")
        executor.open(1, Requirements())
        try:
            order: list[str] = []
            holding = HeardTask()
            held = self.submit(executor, "hold", holding)
            holding.wait_until_begun()
            assert not executor.wait_for_room(0)
            futures = [self.submit(executor, name, priority=p) for name, p in (("low", 1), ("high", 9), ("mid", 5))]
            for future, name in zip(futures, ("low", "high", "mid"), strict=True):
                future.add_done_callback(partial(_noted, order, name))
            executor.cancel(held)
            wait(futures, _TIMEOUT)
        finally:
            executor.close()
        assert order == ["high", "mid", "low"]

    def test_an_error_belongs_to_its_task(self, started: Executor[Any]) -> None:
        with pytest.raises(ShotError, match="was told to fail"):
            self.submit(started, "fail").result(_TIMEOUT)
        assert self.submit(started, "1.1").result(_TIMEOUT).shot == "1.1"

    def test_a_worker_that_cannot_be_built_fails_the_task(self, started: Executor[Any]) -> None:
        with pytest.raises(ShotError, match="no worker can be built"):
            self.submit(started, "1.1", recipe="refused").result(_TIMEOUT)
        assert self.submit(started, "1.1").result(_TIMEOUT).shot == "1.1"

    def test_a_listener_that_raises_ends_the_task(self, started: Executor[Any]) -> None:
        with pytest.raises(Cancelled):
            self.submit(started, "1.1", HeardTask(Cancelled("enough"))).result(_TIMEOUT)

    def test_cancels_what_has_begun(self, started: Executor[Any]) -> None:
        if not self.parallel:
            pytest.skip("tasks run in the caller's thread")
        heard = HeardTask()
        held = self.submit(started, "hold", heard)
        heard.wait_until_begun()
        started.cancel(held)
        with pytest.raises(Cancelled):
            held.result(_TIMEOUT)

    def test_cancels_what_is_queued_at_once(self, executor: Executor[Any]) -> None:
        if not self.parallel:
            pytest.skip("nothing is ever queued")
        executor.open(1, Requirements())
        try:
            heard = HeardTask()
            held = self.submit(executor, "hold", heard)
            heard.wait_until_begun()
            queued = self.submit(executor, "1.1")
            executor.cancel(queued)
            with pytest.raises(Cancelled):
                queued.result(_TIMEOUT)
            assert not held.done()
            executor.cancel(held)
        finally:
            executor.close()

    def test_gives_up_on_what_hangs(self, started: Executor[Any]) -> None:
        if not self.can_kill:
            pytest.skip("tasks run in the caller's thread")
        heard = HeardTask()
        hanging = self.submit(started, "hang", heard)
        heard.wait_until_begun()
        started.kill(hanging, ShotError("took too long"))
        with pytest.raises(ShotError, match="took too long"):
            hanging.result(_TIMEOUT)
        after = self.submit(started, "1.1")
        if self.survives_kill:
            assert after.result(_TIMEOUT).shot == "1.1"
        else:
            assert wait([after], timeout=5).done, "a task after a kill neither runs nor fails"


def step_task(shot: str) -> ShotTask:
    """Return a task for a :class:`StepWorker`."""
    return ShotTask(
        request=ShotRequest(shot, "a kite", None, 32, 32, 5, 0),
        ref=ShotRef(shot, 0),
        folder=Path(),
        source=None,
        first=0,
        master="lossless",
        crf=None,
        tail=0,
        select=False,
    )


def _noted(order: list[str], name: str, done: Future[ShotOutcome]) -> None:
    del done
    order.append(name)
