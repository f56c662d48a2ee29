"""Results never depend on how many shots are made side by side, where, or in which order they finish."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest
from core_support import Stage, check_tidy, film_pixels, published, rows, shot, story
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storymem.interfaces import Executor, Requirements, TaskListener, TaskState, TaskStatus, WorkerRecipe
from storymem.values.work import ShotOutcome, ShotTask

#: A wide story: branches by entity, chains by handed-over frames.
CAST = [{"id": name} for name in ("fox", "owl", "den")]
WIDE = story(
    [shot("a", entities=["fox"]), shot("b", entities=["owl"]), shot("c", cut=False, entities=["owl"])],
    [shot("d", entities=["fox", "owl"]), shot("e", entities=["den"]), shot("f", cut=False, entities=["den"])],
    [shot("g", entities=["fox"]), shot("h", entities=["den", "owl"], transition={"name": "dissolve"}, frames=17)],
    entities=CAST,
)
OPTIONS: dict[str, Any] = {"budget": 3, "frames": 17, "policy": "graph_ancestors"}


def compare(stage: Stage, one: str, other: str) -> None:
    assert published(stage.folder(one)) == published(stage.folder(other))
    assert film_pixels(stage.folder(one)) == film_pixels(stage.folder(other))
    assert rows(stage.folder(one)) == rows(stage.folder(other))
    check_tidy(stage.folder(other))


@pytest.mark.parametrize("policy", ["sink_recent", "graph_ancestors"])
def test_four_threads_give_what_one_gives(stage: Stage, policy: str) -> None:
    options = {**OPTIONS, "policy": policy}
    stage.render(WIDE, run="serial", executor="serial", **options).check()
    stage.render(WIDE, run="four", executor="thread", workers=4, **options).check()
    stage.render(WIDE, run="turns", executor="thread", workers=4, concurrent=False, **options).check()
    compare(stage, "serial", "four")
    compare(stage, "serial", "turns")


def test_processes_give_what_one_thread_gives(stage: Stage) -> None:
    stage.render(WIDE, run="serial", executor="serial", **OPTIONS).check()
    made = stage.made()
    stage.render(WIDE, run="processes", executor="process", workers=2, **OPTIONS).check()
    assert stage.made() == made
    compare(stage, "serial", "processes")


class Shuffled(Executor):
    """Holds every task it has, then finishes them in a given order: any order there could be."""

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self._order = order

    def describe(self, workers: int, needs: Requirements) -> str:
        return "timers"

    def open(self, workers: int, needs: Requirements) -> None:
        self._held: list[tuple[Future[ShotOutcome], WorkerRecipe, ShotTask, TaskListener]] = []
        self._lock = threading.Lock()
        self.is_open = True

    def wait_for_room(self, timeout: float) -> bool:
        return True

    def submit(
        self, recipe: WorkerRecipe, task: ShotTask, listener: TaskListener, priority: float = 0.0
    ) -> Future[ShotOutcome]:
        future: Future[ShotOutcome] = Future()
        self._held.append((future, recipe, task, listener))
        threading.Timer(0.02, self._finish_one).start()
        return future

    def _finish_one(self) -> None:
        with self._lock:
            turn = self._order.pop() if self._order else 0
            held = self._held[turn % len(self._held)]
            future, recipe, task, listener = held
            listener.status(TaskStatus(TaskState.RUNNING, "a timer"))
            outcome = recipe().run(task, listener.step)
            self._held.remove(held)
            future.set_result(outcome)

    def cancel(self, future: Future[ShotOutcome]) -> None:
        raise AssertionError("nothing is cancelled here")

    def kill(self, future: Future[ShotOutcome], reason: BaseException) -> None:
        raise AssertionError("nothing hangs here")

    def close(self) -> None:
        self.is_open = False


@given(order=st.lists(st.integers(0, 3), min_size=8, max_size=8))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_in_which_shots_finish_never_shows(stage: Stage, order: list[int]) -> None:
    if not stage.folder("serial").exists():  # once for all examples
        stage.render(WIDE, run="serial", executor="serial", **OPTIONS).check()
    run = f"shuffled {len(list(stage.root.iterdir()))}"
    stage.render(WIDE, run=run, workers=4, executor=Shuffled(order), **OPTIONS).check()
    compare(stage, "serial", run)
