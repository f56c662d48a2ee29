"""The hooks a plugin may implement. Each registers any number of named factories of one kind.

Hooks only register; the objects do the work and are chosen by name, so hook order never matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from storymem.plugin.registry import Register

PROJECT = "storymem"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def storymem_backbones(register: Register) -> None:
    """Register video models: :class:`storymem.interfaces.Backbone`."""


@hookspec
def storymem_memory_policies(register: Register) -> None:
    """Register what is remembered and recalled: :class:`storymem.interfaces.MemoryPolicy`."""


@hookspec
def storymem_memory_stores(register: Register) -> None:
    """Register where keyframes and embeddings are kept: :class:`storymem.interfaces.MemoryStore`."""


@hookspec
def storymem_keyframe_selectors(register: Register) -> None:
    """Register how keyframes are proposed: :class:`storymem.interfaces.KeyframeSelector`."""


@hookspec
def storymem_frame_filters(register: Register) -> None:
    """Register what refuses a frame: :class:`storymem.interfaces.FrameFilter`."""


@hookspec
def storymem_encoders(register: Register) -> None:
    """Register models that look at pictures: :class:`storymem.interfaces.Encoder` and its subclasses."""


@hookspec
def storymem_transitions(register: Register) -> None:
    """Register ways from shot to shot: :class:`storymem.interfaces.Transition`."""


@hookspec
def storymem_finishers(register: Register) -> None:
    """Register what makes shots better to look at: :class:`storymem.interfaces.Finisher`."""


@hookspec
def storymem_script_planners(register: Register) -> None:
    """Register what writes scripts: :class:`storymem.interfaces.ScriptPlanner`."""


@hookspec
def storymem_script_formats(register: Register) -> None:
    """Register script file forms: :class:`storymem.interfaces.ScriptFormat`."""


@hookspec
def storymem_executors(register: Register) -> None:
    """Register where shots are made: :class:`storymem.interfaces.Executor`."""


@hookspec
def storymem_metrics(register: Register) -> None:
    """Register numbers about a film: :class:`storymem.interfaces.Metric`."""


@hookspec
def storymem_event_sinks(register: Register) -> None:
    """Register receivers of events: :class:`storymem.interfaces.EventSink`."""


@hookspec
def storymem_exporters(register: Register) -> None:
    """Register forms of editing programs: :class:`storymem.interfaces.Exporter`."""
