"""Errors of a worker process reach the engine as one line, whatever class they are of."""

from __future__ import annotations

import pytest
from failing_worker import Failing

from storymem.errors import DamagedFile, ShotError
from storymem.interfaces import Requirements
from storymem.testing import HeardTask, step_task
from storymem_plugins.executors.process import ProcessExecutor

TASK = step_task("1.2")


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("expected", ShotError, "server: is gone"),
        ("bug", RuntimeError, "TwoPartBug: index: out of range"),
        ("local", ShotError, "made here"),
        ("damage", DamagedFile, "a.png: is damaged"),
    ],
)
def test_any_error_comes_back(how: str, kind: type[Exception], words: str) -> None:
    executor = ProcessExecutor()
    executor.open(1, Requirements())
    try:
        error = executor.submit(Failing(how), TASK, HeardTask()).exception(timeout=30)
    finally:
        executor.close()
    assert type(error) is kind
    assert str(error) == words
