"""The planner without a model: a written story, cut into shots by its own sentences. Deterministic."""

from storymem_plugins.planning.outline.planner import Outline

__all__ = ["Outline"]
