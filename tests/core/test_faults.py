"""Some of the faults and flipped bits of which benchmarks/faults.py and bitflips.py make thousands."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
#: How many of each; CI sets the variables and tries a few hundred.
CASES = int(os.environ.get("TEST_STORYMEM_FAULTS", "60"))
FLIPS = int(os.environ.get("TEST_STORYMEM_FLIPS", "40"))


@pytest.fixture(scope="module")
def programs() -> Iterator[tuple[ModuleType, ModuleType]]:
    """The two programs, which are no package."""
    if not (BENCHMARKS / "faults.py").is_file():
        pytest.skip("needs benchmarks/ of the repository")
    modules = []
    for name in ("faults", "bitflips"):
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        modules.append(importlib.util.module_from_spec(spec))
        sys.modules[name] = modules[-1]  # the second imports the first, and dataclasses look their module up
        spec.loader.exec_module(modules[-1])
    yield modules[0], modules[1]
    for name in ("faults", "bitflips"):
        del sys.modules[name]


# Pillow leaves a file open whose first bytes cannot be read.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(300)  # each case runs two or three commands
def test_whatever_call_fails_nothing_is_lost(programs: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    faults, _ = programs
    stage = faults.Stage(tmp_path)
    cases = faults.chosen_cases(stage, CASES, seed=11)
    problems = {case: found for case in cases if (found := stage.trial(*case))}
    assert problems == {}


@pytest.mark.timeout(300)
def test_whatever_bit_flips_it_is_found_or_harmless(programs: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    _, bitflips = programs
    stage = bitflips.Stage(tmp_path)
    trials = [stage.trial(*flip) for flip in bitflips.chosen(stage, FLIPS, random.Random(11))]
    assert [problems for _, problems in trials if problems] == []
    assert {"by status", "by verify", "harmless"} <= {how for how, _ in trials}
