"""Registers the built-in memory policies, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_memory_policies.no_memory import NoMemory
from storymem_memory_policies.recent import Recent
from storymem_memory_policies.sink_recent import SinkRecent


@hookimpl
def storymem_memory_policies(register: Register) -> None:
    """Register all built-in policies."""
    register("sink_recent", SinkRecent)
    register("recent", Recent)
    register("none", NoMemory)
