"""Registers the built-in event sinks."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.sinks.jsonl import JsonLines


@hookimpl
def storymem_event_sinks(register: Register) -> None:
    """Register jsonl."""
    register("jsonl", JsonLines)
