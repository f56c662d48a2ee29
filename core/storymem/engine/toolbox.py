"""The plugins of a run, built and checked; and the recipe by which another process builds the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from storymem.engine.accept import AcceptGate
from storymem.errors import PluginError, SettingsError
from storymem.interfaces import (
    Backbone,
    FrameFilter,
    ImageTextEncoder,
    KeyframeSelector,
    MemoryPolicy,
    Plugin,
)
from storymem.plugin import Kind, PluginHost
from storymem.plugin.kinds import INTERFACES
from storymem.settings import PluginChoice, RunSettings

PluginT = TypeVar("PluginT", bound=Plugin[Any])

#: Plugin instances given by an embedder instead of names, by settings key.
Instances = Mapping[str, Plugin[Any]]


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What makes shots: one per worker process.

    Attributes:
        backbone: The video model.
        selector: Proposes keyframes.
        filters: Refuse keyframes; by name, in order.
        encoder: Shared by selector, filters and policy; None if the run has none.
        accept: Judges whole clips; None accepts all.
    """

    backbone: Backbone[Any]
    selector: KeyframeSelector[Any]
    filters: Mapping[str, FrameFilter[Any]]
    encoder: ImageTextEncoder[Any] | None
    accept: AcceptGate | None = None

    @property
    def judges(self) -> Mapping[str, FrameFilter[Any]]:
        """The filters of the accept gate; none without one."""
        return self.accept.filters if self.accept else {}

    def close(self) -> None:
        """Release everything."""
        filters = (*self.filters.values(), *self.judges.values())
        for plugin in (self.backbone, self.selector, *filters, self.encoder):
            if plugin is not None:
                plugin.close()


@dataclass(frozen=True, slots=True)
class ToolboxRecipe:
    """Builds a :class:`Toolbox`; picklable when the given instances are.

    Attributes:
        settings: The run's settings.
        plugin_files: Local plugin files to load first.
        instances: Plugins given as objects.
    """

    settings: RunSettings
    plugin_files: tuple[Path, ...] = ()
    instances: Instances = field(default_factory=dict)

    def build(self, host: PluginHost | None = None) -> Toolbox:
        """Build all plugins; raises what :meth:`PluginHost.build` raises, and for a missing encoder."""
        host = host or PluginHost(self.plugin_files)
        settings = self.settings
        # First: it decides what suits it, so what it lacks is the most useful complaint.
        backbone = self.one(host, Kind.BACKBONE, "backbone", settings.backbone, Backbone)
        encoder = None
        if settings.encoder is not None or "encoder" in self.instances:
            encoder = self.one(host, Kind.ENCODER, "encoder", settings.encoder, ImageTextEncoder)
        toolbox = Toolbox(
            backbone=backbone,
            selector=self.one(host, Kind.KEYFRAME_SELECTOR, "selector", settings.selector, KeyframeSelector),
            filters=_filters(host, "filters", settings.filters),
            encoder=encoder,
            accept=_accept_gate(host, settings),
        )
        require_encoder("selector", toolbox.selector, encoder)
        for name, frame_filter in (*toolbox.filters.items(), *toolbox.judges.items()):
            require_encoder(f"filter {name}", frame_filter, encoder)
        return toolbox

    def one(
        self, host: PluginHost, kind: Kind, key: str, choice: PluginChoice | None, interface: type[PluginT]
    ) -> PluginT:
        """Build one plugin, or return the given instance."""
        given = self.instances.get(key)
        if given is None and choice is not None:
            given = host.build(kind, choice.name, choice.settings)
        if not isinstance(given, interface):
            raise PluginError(f"{key}: {type(given).__name__} is not a {INTERFACES[kind].__name__}")
        return given


def _filters(host: PluginHost, key: str, choices: Sequence[PluginChoice]) -> dict[str, FrameFilter[Any]]:
    built: dict[str, FrameFilter[Any]] = {}
    for choice in choices:
        if choice.name in built:
            raise SettingsError(f"{key}: {choice.name!r} is listed twice")
        plugin = host.build(Kind.FRAME_FILTER, choice.name, choice.settings)
        if isinstance(plugin, FrameFilter):
            built[choice.name] = plugin
    return built


def _accept_gate(host: PluginHost, settings: RunSettings) -> AcceptGate | None:
    chosen = settings.accept
    if chosen is None:
        return None
    return AcceptGate(_filters(host, "accept.filters", chosen.filters), chosen.attempts, chosen.share, chosen.samples)


def require_encoder(what: str, plugin: Plugin[Any], encoder: object) -> None:
    """Raise :class:`SettingsError` if a plugin needs an encoder and the run has none."""
    if getattr(plugin, "needs_encoder", False) and encoder is None:
        raise SettingsError(
            f"{what} {type(plugin).__name__} compares pictures by an encoder; set encoder, e.g. encoder=clip"
        )


def policy_of(recipe: ToolboxRecipe, host: PluginHost, encoder: object) -> MemoryPolicy[Any]:
    """Build the run's memory policy."""
    policy = recipe.one(host, Kind.MEMORY_POLICY, "policy", recipe.settings.policy, MemoryPolicy)
    require_encoder("policy", policy, encoder)
    return policy
