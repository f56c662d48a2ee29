"""Errors of a worker process reach the engine as one line, whatever class they are of."""

from __future__ import annotations

from pathlib import Path

import pytest
from failing_worker import Failing

from storymem.errors import DamagedFile, ShotError
from storymem.testing import shot_request
from storymem.values.work import ShotRef, ShotTask
from storymem_plugins.executors.process import ProcessExecutor

TASK = ShotTask(
    request=shot_request("p", (32, 16), 5),
    ref=ShotRef("1.2", 1),
    folder=Path(),
    source=None,
    first=0,
    master="lossless",
    crf=None,
    tail=0,
    select=False,
)


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
    executor.start(Failing(how), 1)
    try:
        error = executor.submit(TASK, lambda step, total: None).exception(timeout=30)
    finally:
        executor.close()
    assert type(error) is kind
    assert str(error) == words
