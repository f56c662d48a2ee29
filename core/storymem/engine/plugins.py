"""The plugins that make shots, built and checked; and what another process needs to build the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from storymem.engine.accept import AcceptGate
from storymem.errors import PluginError, SettingsError
from storymem.interfaces import Backbone, Finisher, FrameFilter, ImageTextEncoder, KeyframeSelector, Plugin
from storymem.plugin import Kind, PluginHost
from storymem.settings import PluginChoice, RunSettings

PluginT = TypeVar("PluginT", bound=Plugin[Any])


@dataclass(frozen=True, slots=True)
class Instances:
    """Plugins given by an embedder as objects instead of names; never closed by the framework.

    Attributes:
        one: By settings key, for keys that hold one plugin.
        filters: Frame filters by name, in place of those of the settings; None for those.
        sinks: Further event sinks.
        finishers: Finishers in order, in place of those of the settings; None for those.
    """

    one: Mapping[str, Plugin[Any]] = field(default_factory=dict)
    filters: Mapping[str, FrameFilter[Any]] | None = None
    sinks: tuple[Plugin[Any], ...] = ()
    finishers: tuple[Finisher[Any], ...] | None = None

    def owns(self, plugin: object) -> bool:
        """Whether a plugin was given, and so is the embedder's to close."""
        given = (*self.one.values(), *(self.filters or {}).values(), *self.sinks, *(self.finishers or ()))
        return any(plugin is instance for instance in given)

    def names(self) -> tuple[str, ...]:
        """Return the settings keys that were given as objects, for records and messages."""
        filters = () if self.filters is None else ("filters",)
        finish = () if self.finishers is None else ("finish",)
        return (*sorted(self.one), *filters, *(("sinks",) if self.sinks else ()), *finish)


@dataclass(frozen=True, slots=True)
class WorkerPlugins:
    """What makes shots: one set per worker process.

    Attributes:
        backbone: The video model.
        selector: Proposes keyframes.
        filters: Refuse keyframes; by name, in order.
        encoder: Shared by selector, filters and policy; None if the run has none.
        accept: Judges whole clips; None accepts all.
        given: What the embedder owns.
    """

    backbone: Backbone[Any]
    selector: KeyframeSelector[Any]
    filters: Mapping[str, FrameFilter[Any]]
    encoder: ImageTextEncoder[Any] | None
    accept: AcceptGate | None = None
    given: Instances = field(default_factory=Instances)

    @property
    def judges(self) -> Mapping[str, FrameFilter[Any]]:
        """The filters of the accept gate; none without one."""
        return self.accept.filters if self.accept else {}

    @property
    def compares(self) -> bool:
        """Whether selecting compares pictures by their embeddings."""
        filters = (*self.filters.values(), *self.judges.values())
        return self.selector.needs_encoder or any(f.needs_encoder for f in filters)

    def fingerprints(self) -> dict[str, str]:
        """Return what decides the results of each plugin, by name for messages."""
        named: dict[str, Plugin[Any]] = {"backbone": self.backbone, "selector": self.selector}
        named |= {f"filter {name}": f for name, f in self.filters.items()}
        named |= {f"accept filter {name}": f for name, f in self.judges.items()}
        if self.encoder is not None:
            named["encoder"] = self.encoder
        return {name: plugin.fingerprint() for name, plugin in named.items()}

    def close(self) -> None:
        """Release everything that was built here."""
        filters = (*self.filters.values(), *self.judges.values())
        for plugin in (self.backbone, self.selector, *filters, self.encoder):
            if plugin is not None and not self.given.owns(plugin):
                plugin.close()


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """From this any process builds the same :class:`WorkerPlugins`; picklable when the given instances are.

    Attributes:
        settings: The run's settings.
        plugin_files: Local plugin files to load first.
        instances: Plugins given as objects.
    """

    settings: RunSettings
    plugin_files: tuple[Path, ...] = ()
    instances: Instances = field(default_factory=Instances)

    def build(self, host: PluginHost | None = None) -> WorkerPlugins:
        """Build all plugins; raises what :meth:`PluginHost.build` raises, and for a missing encoder."""
        host = host or PluginHost(self.plugin_files)
        settings, given = self.settings, self.instances
        # First: it decides what suits it, so what it lacks is the most useful complaint.
        backbone = self.one(host, Kind.BACKBONE, "backbone", self._spread(host), Backbone)
        encoder = None
        if settings.encoder is not None or "encoder" in given.one:
            encoder = self.one(host, Kind.ENCODER, "encoder", settings.encoder, ImageTextEncoder)
        plugins = WorkerPlugins(
            backbone=backbone,
            selector=self.one(host, Kind.KEYFRAME_SELECTOR, "selector", settings.selector, KeyframeSelector),
            filters=_filters(host, "filters", settings.filters) if given.filters is None else given.filters,
            encoder=encoder,
            accept=_accept_gate(host, settings),
            given=given,
        )
        require_encoder("selector", plugins.selector, encoder)
        for name, frame_filter in (*plugins.filters.items(), *plugins.judges.items()):
            require_encoder(f"filter {name}", frame_filter, encoder)
        return plugins

    def _spread(self, host: PluginHost) -> PluginChoice:
        """Return the chosen backbone, set to use ``gpus_per_shot`` GPUs."""
        choice, gpus = self.settings.backbone, self.settings.gpus_per_shot
        if gpus is None or "backbone" in self.instances.one:
            return choice
        cls = host.find(Kind.BACKBONE, choice.name).load()
        if not issubclass(cls, Backbone):
            return choice  # building it says what is wrong
        return choice.model_copy(update={"settings": cls.spread(choice.settings, gpus)})

    def one(
        self, host: PluginHost, kind: Kind, key: str, choice: PluginChoice | None, interface: type[PluginT]
    ) -> PluginT:
        """Build one plugin, or return the given instance."""
        plugin = self.instances.one.get(key)
        if plugin is None and choice is not None:
            plugin = host.build(kind, choice.name, choice.settings)
        if not isinstance(plugin, interface):
            raise PluginError(f"{key}: {type(plugin).__name__} is not {_article(interface.__name__)}")
        return plugin


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"


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
    filters = _filters(host, "accept.filters", chosen.filters)
    return AcceptGate(filters, chosen.attempts, chosen.share, chosen.samples, chosen.revise)


def require_encoder(what: str, plugin: Plugin[Any], encoder: object) -> None:
    """Raise :class:`SettingsError` if a plugin needs an encoder and the run has none."""
    if getattr(plugin, "needs_encoder", False) and encoder is None:
        raise SettingsError(
            f"{what} {type(plugin).__name__} compares pictures by an encoder; set one, see storymem plugins encoder"
        )
