"""The contract of executors."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest

from storymem.errors import Cancelled, ShotError
from storymem.interfaces import Executor, Progress
from storymem.testing.contract import PluginContract, not_given
from storymem.values.request import ShotRequest
from storymem.values.work import ShotOutcome, ShotRef, ShotTask

_TIMEOUT = 40.0


class StepWorker:
    """A shot worker that takes three steps and makes nothing; shots named ``fail`` and ``hang`` do so."""

    def run(self, task: ShotTask, progress: Progress) -> ShotOutcome:
        """Take the steps."""
        if task.shot.startswith("fail"):
            raise ShotError(f"shot {task.shot}: was told to fail")
        if task.shot.startswith("hang"):
            time.sleep(_TIMEOUT)
        for step in range(3):
            time.sleep(0.01)
            progress(step + 1, 3)
        return ShotOutcome(shot=task.shot)

    def close(self) -> None:
        """Hold nothing, release nothing."""


class ExecutorContract(PluginContract):
    """Subclass it and override :meth:`executor`.

    Attributes:
        parallel: With two workers it has room for two tasks.
        can_kill: A task that does not answer can be given up while it runs.
        survives_kill: Tasks submitted after that run; otherwise they must fail at once.
    """

    parallel: bool = True
    can_kill: bool = True
    survives_kill: bool = True

    @pytest.fixture
    def executor(self) -> Executor[Any]:
        """Return the executor under test, not started yet."""
        not_given(self, "executor")

    @pytest.fixture
    def started(self, executor: Executor[Any]) -> Any:
        """The executor with two workers."""
        executor.start(StepWorker, 2)
        yield executor
        executor.close()

    def submit(self, executor: Executor[Any], shot: str, progress: Progress | None = None) -> Future[ShotOutcome]:
        """Submit a task without work."""
        request = ShotRequest(shot, "a kite", None, 32, 32, 5, 0)
        task = ShotTask(
            request=request,
            ref=ShotRef(shot, 0),
            folder=Path(),
            source=None,
            first=0,
            master="lossless",
            crf=None,
            tail=0,
            select=False,
        )
        return executor.submit(task, progress or (lambda step, total: None))

    def test_has_a_fingerprint(self, executor: Executor[Any]) -> None:
        self.check_plugin(executor)

    def test_runs_every_task_within_its_room(self, started: Executor[Any]) -> None:
        assert started.room() == (2 if self.parallel else 1)
        futures: list[Future[ShotOutcome]] = []
        for number in range(5):
            until(lambda: started.room() > 0, "no room although nothing hangs")
            futures.append(self.submit(started, f"1.{number}"))
        assert [future.result(_TIMEOUT).shot for future in futures] == [f"1.{number}" for number in range(5)]
        until(lambda: started.room() == (2 if self.parallel else 1), "room is not given back")

    def test_passes_steps_on(self, started: Executor[Any]) -> None:
        steps: list[tuple[int, int]] = []
        self.submit(started, "1.1", lambda step, total: steps.append((step, total))).result(_TIMEOUT)
        assert steps == [(1, 3), (2, 3), (3, 3)]

    def test_an_error_belongs_to_its_task(self, started: Executor[Any]) -> None:
        failed = self.submit(started, "fail")
        with pytest.raises(ShotError, match="was told to fail"):
            failed.result(_TIMEOUT)
        until(lambda: started.room() > 0, "room is not given back after an error")
        assert self.submit(started, "1.1").result(_TIMEOUT).shot == "1.1"

    def test_progress_that_raises_ends_the_task(self, started: Executor[Any]) -> None:
        def cancel(step: int, total: int) -> None:
            raise Cancelled("enough")

        with pytest.raises(Cancelled):
            self.submit(started, "1.1", cancel).result(_TIMEOUT)

    def test_gives_up_on_what_hangs(self, started: Executor[Any]) -> None:
        if not self.can_kill:
            pytest.skip("tasks run in the caller's thread")
        hanging = self.submit(started, "hang")
        started.kill(hanging, ShotError("took too long"))
        with pytest.raises(ShotError, match="took too long"):
            hanging.result(_TIMEOUT)
        after = self.submit(started, "1.1")
        if self.survives_kill:
            assert after.result(_TIMEOUT).shot == "1.1"
        else:
            assert wait([after], timeout=5).done, "a task after a kill neither runs nor fails"


def until(true: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; fail with ``what`` after a while."""
    end = time.monotonic() + _TIMEOUT
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.005)
