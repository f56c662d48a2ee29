"""The plugin boundary: hooks register named factories; the host finds, checks and builds them.

A plugin package needs one module with hook implementations and one entry point in the group ``storymem``::

    from storymem.plugin import Register, hookimpl

    @hookimpl
    def storymem_memory_policies(register: Register) -> None:
        register("last_only", LastOnly)
"""

from storymem.plugin.host import PluginHost
from storymem.plugin.kinds import Kind
from storymem.plugin.registry import Register
from storymem.plugin.spec import hookimpl

__all__ = ["Kind", "PluginHost", "Register", "hookimpl"]
