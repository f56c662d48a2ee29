"""Registers the suites of metrics. Imports no model library."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.metrics.colour import ColourSuite
from storymem_plugins.metrics.entitybench import EntityBenchSuite
from storymem_plugins.metrics.st_bench import StBenchSuite
from storymem_plugins.metrics.vbench import VBenchSuite
from storymem_plugins.metrics.vistorybench import ViStoryBenchSuite


@hookimpl
def storymem_metrics(register: Register) -> None:
    """Register the built-in suites."""
    register("colour", ColourSuite)
    register("entitybench", EntityBenchSuite)
    register("st_bench", StBenchSuite)
    register("vbench", VBenchSuite)
    register("vistorybench", ViStoryBenchSuite)
