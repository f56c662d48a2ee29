"""Registers the built-in memory policies, as a third party would."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_memory_policies.compose import Compose
from storymem_memory_policies.diverse import Diverse
from storymem_memory_policies.dual_query import DualQuery
from storymem_memory_policies.earliest_appearance import EarliestAppearance
from storymem_memory_policies.entity_bank import EntityBank
from storymem_memory_policies.graph_ancestors import GraphAncestors
from storymem_memory_policies.greedy_coverage import GreedyCoverage
from storymem_memory_policies.no_memory import NoMemory
from storymem_memory_policies.prompt_topk import PromptTopK
from storymem_memory_policies.recency_frequency import RecencyFrequency
from storymem_memory_policies.recent import Recent
from storymem_memory_policies.reservoir import Reservoir
from storymem_memory_policies.scheduled_coverage import ScheduledCoverage
from storymem_memory_policies.sink_recent import SinkRecent


@hookimpl
def storymem_memory_policies(register: Register) -> None:
    """Register all built-in policies."""
    register("compose", Compose)
    register("diverse", Diverse)
    register("dual_query", DualQuery)
    register("earliest_appearance", EarliestAppearance)
    register("entity_bank", EntityBank)
    register("graph_ancestors", GraphAncestors)
    register("greedy_coverage", GreedyCoverage)
    register("none", NoMemory)
    register("prompt_topk", PromptTopK)
    register("recency_frequency", RecencyFrequency)
    register("recent", Recent)
    register("reservoir", Reservoir)
    register("scheduled_coverage", ScheduledCoverage, default_for=("policy with entities",))
    register("sink_recent", SinkRecent, default_for=("policy",))
