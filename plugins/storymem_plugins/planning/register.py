"""Registers the built-in planners, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.planning.outline import Outline


@hookimpl
def storymem_script_planners(register: Register) -> None:
    """Register all built-in planners."""
    register("outline", Outline)
