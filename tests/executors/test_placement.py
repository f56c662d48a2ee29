"""Which worker gets which GPUs, and that a process sees no others."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from placed_worker import Placed

from storymem.errors import SettingsError
from storymem.interfaces import Requirements
from storymem.placement import place, visible_gpus
from storymem.testing import HeardTask, step_task
from storymem_plugins.executors.process import ProcessExecutor, ProcessSettings


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 8), st.booleans())
def test_every_worker_gets_what_a_shot_takes_or_it_is_refused(workers: int, each: int, count: int, share: bool) -> None:
    gpus = [str(number) for number in range(count)]
    fits = each == 0 or (each <= count and (share or workers * each <= count))
    if not fits:
        with pytest.raises(SettingsError, match="GPUs"):
            place(workers, each, gpus, share)
        return
    placed = place(workers, each, gpus, share)
    assert [len(group) for group in placed.workers] == [each] * workers
    used = [gpu for group in placed.workers for gpu in group]
    assert placed.shared == (len(used) > len(set(used)))
    assert all(len(set(group)) == each for group in placed.workers)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, 0, ""), "1 worker, no GPU needed"),
        ((2, 1, "01"), "2 workers: GPU 0 | GPU 1"),
        ((2, 2, "0123"), "2 workers: GPU 0+1 | GPU 2+3"),
        ((2, 1, "5", True), "2 workers: GPU 5 | GPU 5 (shared)"),
    ],
)
def test_a_placement_can_be_read(arguments: Any, text: str) -> None:
    assert str(place(*arguments)) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0,2", ("0", "2")), ("", ()), ("GPU-1a, GPU-2b", ("GPU-1a", "GPU-2b")), ("1,-1,2", ("1",)), ("-1", ())],
)
def test_the_chosen_gpus_are_those_of_the_environment(value: str, expected: tuple[str, ...]) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": value}) == expected


def test_processes_have_gpus_of_their_own_before_anything_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    executor = ProcessExecutor()
    needs = Requirements(gpus=2)
    assert executor.describe(2, needs) == "2 workers: GPU 4+5 | GPU 6+7"
    executor.open(2, needs)
    try:
        futures = [executor.submit(Placed(), step_task(f"1.{n}"), HeardTask()) for n in range(2)]
        assert {future.result(40).shot for future in futures} == {"4,5", "6,7"}
    finally:
        executor.close()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5,6,7"


def test_more_workers_than_gpus_are_refused_unless_they_are_to_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(SettingsError, match=r"at most 1 do \(executor.share_gpus"):
        ProcessExecutor().describe(2, Requirements(gpus=1))
    sharing = ProcessExecutor(ProcessSettings(share_gpus=True))
    assert sharing.describe(2, Requirements(gpus=1)) == "2 workers: GPU 0 | GPU 0 (shared)"
