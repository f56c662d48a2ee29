"""Registers the built-in script formats, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.formats.entitybench import EntityBench
from storymem_plugins.formats.native import Native
from storymem_plugins.formats.st_bench import StBench


@hookimpl
def storymem_script_formats(register: Register) -> None:
    """Register all built-in formats."""
    register("storymem", Native)
    register("st_bench", StBench)
    register("entitybench", EntityBench)
