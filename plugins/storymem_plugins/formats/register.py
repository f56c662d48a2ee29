"""Registers the built-in script formats, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.formats.entitybench import EntityBench
from storymem_plugins.formats.holocine import HoloCine
from storymem_plugins.formats.memento import Memento
from storymem_plugins.formats.memflow import MemFlow
from storymem_plugins.formats.native import Native
from storymem_plugins.formats.prompts import PromptList
from storymem_plugins.formats.st_bench import StBench
from storymem_plugins.formats.vimax import ViMax
from storymem_plugins.formats.vistorybench import ViStoryBench
from storymem_plugins.formats.wan2gp import Wan2GP


@hookimpl
def storymem_script_formats(register: Register) -> None:
    """Register all built-in formats."""
    register("storymem", Native)
    register("st_bench", StBench)
    register("entitybench", EntityBench)
    register("memento", Memento)
    register("vimax", ViMax)
    register("vistorybench", ViStoryBench)
    register("holocine", HoloCine)
    register("memflow", MemFlow)
    register("prompts", PromptList)
    register("wan2gp", Wan2GP)
