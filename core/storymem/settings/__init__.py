"""The settings of a run: one model, several sources, a stated order of precedence."""

from storymem.settings.model import PluginChoice, RunSettings
from storymem.settings.sources import Layer, Resolved, no_suggestions, resolve

__all__ = ["Layer", "PluginChoice", "Resolved", "RunSettings", "no_suggestions", "resolve"]
