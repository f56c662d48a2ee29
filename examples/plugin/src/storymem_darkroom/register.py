"""Registers the plugins; the entry point ``darkroom`` names this module."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl

from storymem_darkroom.last_seen import LastSeen
from storymem_darkroom.letterbox import Letterbox
from storymem_darkroom.monochrome import Monochrome


@hookimpl
def storymem_memory_policies(register: Register) -> None:
    """Register ``last_seen``."""
    register("last_seen", LastSeen)


@hookimpl
def storymem_backbones(register: Register) -> None:
    """Register ``monochrome``."""
    register("monochrome", Monochrome)


@hookimpl
def storymem_frame_filters(register: Register) -> None:
    """Register ``letterbox``."""
    register("letterbox", Letterbox)
