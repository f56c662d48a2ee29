"""A run killed at random moments resumes to the same film; benchmarks/crash.py kills it as often as one likes."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from core_support import PLUGIN, check_tidy, shot, story

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "crash.py"


@pytest.fixture(scope="module")
def crash() -> Iterator[ModuleType]:
    if not SCRIPT.is_file():
        pytest.skip("needs benchmarks/crash.py of the repository")
    spec = importlib.util.spec_from_file_location("storymem_crash", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.timeout(180)  # 7 processes, which a busy machine takes long to start
def test_killed_runs_resume_to_the_same_film_and_make_nothing_twice(crash: ModuleType, tmp_path: Path) -> None:
    prompts = [[shot("a"), shot("b", cut=False)], [shot("c"), shot("d", cut=False)], [shot("e")]]
    tale = tmp_path / "tale.json"
    tale.write_text(json.dumps(story(*prompts).model_dump(mode="json")))
    options = ("--plugin", str(PLUGIN), "--backbone", "blocks", "--workers", "2", "--frames", "9", "--size", "64x48")
    job = crash.undisturbed(tale, options, tmp_path / "undisturbed")
    chance = random.Random(7)
    trials = []
    for number, executor in enumerate(["thread", "thread", "process"]):
        folder = tmp_path / str(number)
        trials.append(job.disturb(folder, executor, chance))
        check_tidy(folder)
    assert [trial.problems for trial in trials] == [()] * 3
    assert any(trial.made for trial in trials), "no kill came before the end"
