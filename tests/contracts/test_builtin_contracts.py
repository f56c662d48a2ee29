"""Every built-in that can be built without weights or services passes the contract of its kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from storymem.errors import SettingsError
from storymem.interfaces import (
    Backbone,
    Capabilities,
    EventSink,
    Executor,
    Exporter,
    Finisher,
    FrameFilter,
    ImageTextEncoder,
    KeyframeSelector,
    MemoryPolicy,
    MemoryStore,
    Metric,
    Mode,
    ScriptFormat,
    ScriptPlanner,
    Transition,
)
from storymem.plugin import Kind, PluginHost
from storymem.testing import (
    BackboneContract,
    DictStore,
    EncoderContract,
    EventRecorder,
    ExecutorContract,
    ExporterContract,
    FakeBackbone,
    FakeEncoder,
    FilterContract,
    FinisherContract,
    FormatContract,
    MetricContract,
    PlannerContract,
    PolicyContract,
    SelectorContract,
    SinkContract,
    StoreContract,
    TransitionContract,
)

HOST = PluginHost()
#: Built-ins that need weights, a second environment or a server; their own tests run the contracts with tiny ones.
ELSEWHERE = {
    Kind.BACKBONE: {"wan", "vace", "storyworld", "openai_video", "lightx2v", "comfyui", "echo_server"},
    Kind.ENCODER: {
        "clip",
        "csd",
        "dino",
        "dinov2",
        "grounding_dino",
        "laion_head",
        "mobilenet",
        "musiq",
        "open_clip",
        "raft",
        "viclip",
        "vision_judge",
    },
    Kind.FRAME_FILTER: {"aesthetic", "hpsv3"},
    Kind.SCRIPT_PLANNER: {"llm", "embedded", "openai"},
    Kind.MEMORY_STORE: {"lancedb"},
    Kind.METRIC: {"storyworld"},
    Kind.FINISHER: {"storyworld_upscale"},
}


def names(kind: Kind) -> list[str]:
    """The built-ins of a kind that can be built here."""
    own = [entry for entry in HOST.registry if entry.kind is kind and entry.owner.distribution == "storymem"]
    return [entry.name for entry in own if entry.name not in ELSEWHERE.get(kind, ()) and not entry.missing()]


def build(kind: Kind, name: str, **settings: Any) -> Any:
    """Build a plugin; one that does nothing without settings is left to its own tests."""
    try:
        return HOST.build(kind, name, settings)
    except SettingsError as error:
        pytest.skip(f"needs settings: {error}")


def test_every_plugin_loads() -> None:
    assert [str(broken.error) for broken in HOST.broken] == []


class TestPolicies(PolicyContract):
    keeps_entities = True

    @pytest.fixture(params=names(Kind.MEMORY_POLICY))
    def policy(self, request: pytest.FixtureRequest) -> MemoryPolicy[Any]:
        return build(Kind.MEMORY_POLICY, request.param)


class TestPoliciesWithOtherSettings(PolicyContract):
    keeps_entities = True

    @pytest.fixture(
        params=[
            ("scheduled_coverage", {"frames": 8, "miss": 0.3, "anchor": 2}),
            ("scheduled_coverage", {"frames": 1, "shown": "similarity", "min_similarity": 0.0}),
            ("greedy_coverage", {"miss": 0.5, "reach": 2}),
            ("entity_bank", {"tries": 1, "shown": "similarity", "min_similarity": 0.1}),
            ("graph_ancestors", {"sink": 0, "reach": 1}),
            ("compose", {"parts": [{"policy": "scheduled_coverage", "most": 2}, {"policy": {"name": "diverse"}}]}),
        ],
        ids=lambda param: param[0],
    )
    def policy(self, request: pytest.FixtureRequest) -> MemoryPolicy[Any]:
        name, settings = request.param
        return build(Kind.MEMORY_POLICY, name, **settings)


class TestBackbones(BackboneContract):
    handover_error = 60.0

    @pytest.fixture(params=names(Kind.BACKBONE))
    def backbone(self, request: pytest.FixtureRequest) -> Backbone[Any]:
        # The embedded model keeps the contract with any number of steps; one is enough and quick.
        return build(Kind.BACKBONE, request.param, **({"steps": 1} if request.param == "tiny" else {}))

    def modes(self, backbone: Backbone[Any]) -> list[Mode]:
        # The embedded model is the Wan backbone, whose own tests try every mode; its clips take seconds.
        known = super().modes(backbone)
        return known if backbone.capabilities().concurrent else [known[0], known[-1]]

    def size(self, capabilities: Capabilities) -> tuple[int, int]:
        return 160, 96


class TestFakeBackbone(BackboneContract):
    handover_error = 0.0

    @pytest.fixture
    def backbone(self) -> Backbone[Any]:
        return FakeBackbone()


class TestStores(StoreContract):
    @pytest.fixture(params=names(Kind.MEMORY_STORE))
    def make_store(self, request: pytest.FixtureRequest) -> Callable[[], MemoryStore[Any]]:
        return lambda: build(Kind.MEMORY_STORE, request.param)


class TestDictStore(StoreContract):
    persistent = False

    @pytest.fixture
    def make_store(self) -> Callable[[], MemoryStore[Any]]:
        return DictStore


class TestSelectors(SelectorContract):
    @pytest.fixture(params=names(Kind.KEYFRAME_SELECTOR))
    def selector(self, request: pytest.FixtureRequest) -> KeyframeSelector[Any]:
        return build(Kind.KEYFRAME_SELECTOR, request.param)


class TestFilters(FilterContract):
    by_threshold = False

    @pytest.fixture(params=names(Kind.FRAME_FILTER))
    def frame_filter(self, request: pytest.FixtureRequest) -> FrameFilter[Any]:
        self.independent = request.param != "duplicate"
        return build(Kind.FRAME_FILTER, request.param)


class TestTransitions(TransitionContract):
    @pytest.fixture(params=names(Kind.TRANSITION))
    def transition(self, request: pytest.FixtureRequest) -> Transition[Any]:
        return build(Kind.TRANSITION, request.param)


class TestFinishers(FinisherContract):
    size = (40, 32)

    @pytest.fixture(params=names(Kind.FINISHER))
    def finisher(self, request: pytest.FixtureRequest) -> Finisher[Any]:
        return build(Kind.FINISHER, request.param)


class TestFinishersWithOtherSettings(FinisherContract):
    size = (40, 32)

    @pytest.fixture(
        params=[
            ("resize", {"size": "24x50"}),
            ("resize", {"scale": 0.5}),
            ("interpolate", {"fps": 25}),
            ("interpolate", {"fps": 10, "mode": "blend"}),
            ("interpolate", {"fps": 60, "mode": "repeat"}),
            ("colour_match", {"most": 1.0}),
        ],
        ids=str,
    )
    def finisher(self, request: pytest.FixtureRequest) -> Finisher[Any]:
        name, settings = request.param
        return build(Kind.FINISHER, name, **settings)


class TestPlanners(PlannerContract):
    @pytest.fixture(params=names(Kind.SCRIPT_PLANNER))
    def planner(self, request: pytest.FixtureRequest) -> ScriptPlanner[Any]:
        return build(Kind.SCRIPT_PLANNER, request.param)


class TestExecutors(ExecutorContract):
    # Ray's needs a cluster: tests/executors has it.
    @pytest.fixture(params=[name for name in names(Kind.EXECUTOR) if name != "ray"])
    def executor(self, request: pytest.FixtureRequest) -> Executor[Any]:
        self.parallel = self.can_kill = request.param != "serial"
        self.survives_kill = request.param == "process"
        return build(Kind.EXECUTOR, request.param)

    @pytest.fixture(autouse=True)
    def _short_hang(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("storymem.testing.executor._TIMEOUT", 20.0)


class TestMetrics(MetricContract):
    @pytest.fixture(params=names(Kind.METRIC))
    def metric(self, request: pytest.FixtureRequest) -> Metric[Any]:
        return build(Kind.METRIC, request.param)


class TestSinks(SinkContract):
    @pytest.fixture(params=names(Kind.EVENT_SINK))
    def sink(self, request: pytest.FixtureRequest, tmp_path: Path) -> EventSink[Any]:
        settings = {"jsonl": {"path": str(tmp_path / "events.jsonl")}}
        return build(Kind.EVENT_SINK, request.param, **settings.get(request.param, {}))


class TestExporters(ExporterContract):
    @pytest.fixture(params=names(Kind.EXPORTER))
    def exporter(self, request: pytest.FixtureRequest) -> Exporter[Any]:
        return build(Kind.EXPORTER, request.param)


class TestRecorder(SinkContract):
    @pytest.fixture
    def sink(self) -> EventSink[Any]:
        return EventRecorder()


class TestFakeEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self) -> ImageTextEncoder[Any]:
        return FakeEncoder()


_SCENES = [
    {"scene_num": 1, "video_prompts": ["Anna flies a kite.", "The line breaks."], "cut": [True, False]},
    {"scene_num": 2, "video_prompts": ["Ben rows out."], "cut": [True]},
]
_STORY: dict[str, JsonValue] = {"story_name": "The kite", "story_overview": "A kite is lost.", "scenes": _SCENES}  # type: ignore[dict-item]
SAMPLES: dict[str, list[JsonValue]] = {
    "storymem": [
        {
            "title": "The kite",
            "entities": [{"id": "anna", "name": "Anna", "look": "a yellow coat"}],
            "scenes": [
                {
                    "shots": [
                        {"prompt": "Anna flies a kite.", "entities": ["anna"]},
                        {"prompt": "It falls.", "cut": False},
                    ]
                }
            ],
        }
    ],
    "st_bench": [_STORY],
    "entitybench": [
        {
            **_STORY,
            "entity_schedule": {"1:1": {"characters": ["Anna"], "places": ["the harbour"], "objects": ["the kite"]}},
            "entity_descriptions": {
                "Character 1": {"name": "Anna", "label": "Character 1", "description": "a yellow coat"}
            },
        }
    ],
}


class TestFormats(FormatContract):
    @pytest.fixture(params=[name for name in names(Kind.SCRIPT_FORMAT) if name in SAMPLES])
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def script_format(self, name: str) -> ScriptFormat[Any]:
        return build(Kind.SCRIPT_FORMAT, name)

    @pytest.fixture
    def samples(self, name: str) -> list[JsonValue]:
        return SAMPLES[name]
