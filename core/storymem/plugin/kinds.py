"""The kinds of plugin, their interfaces, and the hooks that register them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from storymem.interfaces import (
    Backbone,
    Encoder,
    EventSink,
    Executor,
    Exporter,
    Finisher,
    FrameFilter,
    KeyframeSelector,
    MemoryPolicy,
    MemoryStore,
    Metric,
    Plugin,
    ScriptFormat,
    ScriptPlanner,
    Transition,
)


class Kind(StrEnum):
    """A replaceable part; the value is the word used in settings, messages and listings."""

    BACKBONE = "backbone"
    MEMORY_POLICY = "policy"
    MEMORY_STORE = "store"
    KEYFRAME_SELECTOR = "selector"
    FRAME_FILTER = "filter"
    ENCODER = "encoder"
    TRANSITION = "transition"
    FINISHER = "finisher"
    SCRIPT_PLANNER = "planner"
    SCRIPT_FORMAT = "format"
    EXECUTOR = "executor"
    METRIC = "metric"
    EVENT_SINK = "sink"
    EXPORTER = "exporter"


INTERFACES: dict[Kind, type[Plugin[Any]]] = {
    Kind.BACKBONE: Backbone,
    Kind.MEMORY_POLICY: MemoryPolicy,
    Kind.MEMORY_STORE: MemoryStore,
    Kind.KEYFRAME_SELECTOR: KeyframeSelector,
    Kind.FRAME_FILTER: FrameFilter,
    Kind.ENCODER: Encoder,
    Kind.TRANSITION: Transition,
    Kind.FINISHER: Finisher,
    Kind.SCRIPT_PLANNER: ScriptPlanner,
    Kind.SCRIPT_FORMAT: ScriptFormat,
    Kind.EXECUTOR: Executor,
    Kind.METRIC: Metric,
    Kind.EVENT_SINK: EventSink,
    Kind.EXPORTER: Exporter,
}

HOOKS: dict[Kind, str] = {
    Kind.BACKBONE: "storymem_backbones",
    Kind.MEMORY_POLICY: "storymem_memory_policies",
    Kind.MEMORY_STORE: "storymem_memory_stores",
    Kind.KEYFRAME_SELECTOR: "storymem_keyframe_selectors",
    Kind.FRAME_FILTER: "storymem_frame_filters",
    Kind.ENCODER: "storymem_encoders",
    Kind.TRANSITION: "storymem_transitions",
    Kind.FINISHER: "storymem_finishers",
    Kind.SCRIPT_PLANNER: "storymem_script_planners",
    Kind.SCRIPT_FORMAT: "storymem_script_formats",
    Kind.EXECUTOR: "storymem_executors",
    Kind.METRIC: "storymem_metrics",
    Kind.EVENT_SINK: "storymem_event_sinks",
    Kind.EXPORTER: "storymem_exporters",
}
