"""Registers the built-in transitions, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.transitions.builtin import Cut, Dissolve, FirstFrame, Motion


@hookimpl
def storymem_transitions(register: Register) -> None:
    """Register all built-in transitions."""
    register("cut", Cut, default_for=("cut",))
    register("first_frame", FirstFrame, default_for=("continuation",))
    register("motion", Motion)
    register("dissolve", Dissolve)
