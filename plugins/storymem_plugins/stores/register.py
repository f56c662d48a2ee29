"""Registers the built-in memory stores."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.stores.sqlite import SqliteStore


@hookimpl
def storymem_memory_stores(register: Register) -> None:
    """Register sqlite."""
    register("sqlite", SqliteStore)
