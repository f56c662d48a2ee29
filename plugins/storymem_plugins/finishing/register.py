"""Registers the built-in finishers, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.finishing.colour_match import ColourMatch
from storymem_plugins.finishing.interpolate import Interpolate
from storymem_plugins.finishing.resize import Resize


@hookimpl
def storymem_finishers(register: Register) -> None:
    """Register all built-in finishers."""
    register("resize", Resize)
    register("interpolate", Interpolate)
    register("colour_match", ColourMatch)
