"""The settings of a run: one model, several sources, a stated order of precedence."""

from storymem.settings.model import PluginChoice, RunSettings
from storymem.settings.sources import Catalogue, Layer, Resolved, resolve

__all__ = ["Catalogue", "Layer", "PluginChoice", "Resolved", "RunSettings", "resolve"]
