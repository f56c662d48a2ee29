"""The conformance kit for plugin authors: contracts, strategies, fakes. Needs pytest and hypothesis.

Subclass a contract in a test module and override its fixture::

    from storymem.testing import PolicyContract

    class TestMine(PolicyContract):
        @pytest.fixture
        def policy(self):
            return Mine()

Nothing else in storymem imports this package.
"""

from __future__ import annotations

from importlib.util import find_spec

_missing = [name for name in ("pytest", "hypothesis") if find_spec(name) is None]
if _missing:
    raise ImportError(
        f"storymem.testing needs {' and '.join(_missing)}; install with: pip install {' '.join(_missing)}"
    )

import pytest  # noqa: E402 - only once it is known to be there

_CONTRACTS = (
    *("backbone", "contract", "encoder", "executor", "exporter", "filters", "finisher", "format", "metric"),
    *("planner", "policy", "selector", "sink", "store", "transition"),
)
# So that a failed contract shows the values it compared, as a test's own assert does.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _CONTRACTS))

from storymem.testing.backbone import BackboneContract  # noqa: E402
from storymem.testing.encoder import EncoderContract  # noqa: E402
from storymem.testing.executor import ExecutorContract, HeardTask, StepRecipe, StepWorker, step_task  # noqa: E402
from storymem.testing.exporter import ExporterContract, film_cut  # noqa: E402
from storymem.testing.fakes import DictStore, FakeBackbone, FakeBackboneSettings, FakeEncoder  # noqa: E402
from storymem.testing.filters import FilterContract  # noqa: E402
from storymem.testing.finisher import FinisherContract  # noqa: E402
from storymem.testing.format import FormatContract  # noqa: E402
from storymem.testing.metric import ListedFilm, MetricContract  # noqa: E402
from storymem.testing.planner import PlannerContract  # noqa: E402
from storymem.testing.policy import PolicyContract  # noqa: E402
from storymem.testing.recorder import EventRecorder  # noqa: E402
from storymem.testing.requests import handover_of, shot_request  # noqa: E402
from storymem.testing.selector import SelectorContract  # noqa: E402
from storymem.testing.sink import SinkContract  # noqa: E402
from storymem.testing.store import StoreContract  # noqa: E402
from storymem.testing.strategies import (  # noqa: E402
    clips,
    frames,
    graphs,
    keyframes,
    memory_views,
    scripts,
    storyboards,
)
from storymem.testing.transition import TransitionContract  # noqa: E402

__all__ = [
    "BackboneContract",
    "DictStore",
    "EncoderContract",
    "EventRecorder",
    "ExecutorContract",
    "ExporterContract",
    "FakeBackbone",
    "FakeBackboneSettings",
    "FakeEncoder",
    "FilterContract",
    "FinisherContract",
    "FormatContract",
    "ListedFilm",
    "MetricContract",
    "PlannerContract",
    "PolicyContract",
    "SelectorContract",
    "SinkContract",
    "HeardTask",
    "StepRecipe",
    "StepWorker",
    "step_task",
    "StoreContract",
    "TransitionContract",
    "clips",
    "film_cut",
    "frames",
    "graphs",
    "handover_of",
    "keyframes",
    "memory_views",
    "scripts",
    "shot_request",
    "storyboards",
]
