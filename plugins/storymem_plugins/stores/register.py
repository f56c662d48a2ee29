"""Registers the built-in memory stores."""

from __future__ import annotations

from storymem.interfaces.plugin import NoSettings
from storymem.plugin import Register, hookimpl
from storymem_plugins.stores.sqlite import SqliteStore


@hookimpl
def storymem_memory_stores(register: Register) -> None:
    """Register the built-in memory stores; the one that needs a further library is imported when it is used."""
    register("sqlite", SqliteStore, default_for=("store",))
    register(
        "lancedb",
        "storymem_plugins.stores.lancedb:LanceStore",
        settings=NoSettings,
        requires=("lancedb", "pyarrow"),
        install="storymem[lancedb]",
        summary="Keep keyframes and embeddings in Lance tables, for asset libraries that other tools read too.",
    )
