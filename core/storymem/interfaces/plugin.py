"""What every replaceable part shares: a settings model, a version and a fingerprint."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar


class NotInFingerprint:
    """Marks a settings field that cannot change a result (speed, memory, logging).

    Use as ``threads: Annotated[int, NotInFingerprint()] = 2``.
    """


class PluginSettings(BaseModel):
    """Base of all plugin settings: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    def fingerprint(self) -> str:
        """Return the settings that change results, as canonical JSON."""
        inert = {
            name
            for name, field in type(self).model_fields.items()
            if any(isinstance(mark, NotInFingerprint) for mark in field.metadata)
        }
        return json.dumps(self.model_dump(mode="json", exclude=inert), sort_keys=True)


class NoSettings(PluginSettings):
    """The settings of a plugin that has none."""


SettingsT = TypeVar("SettingsT", bound=PluginSettings, default=NoSettings)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``storymem doctor``: what was looked at, whether it is in order, and what was found."""

    name: str
    ok: bool
    detail: str


class Plugin(ABC, Generic[SettingsT]):
    """Base of every interface.

    A subclass names its settings model as the type argument, for example
    ``class Uniform(KeyframeSelector[UniformSettings])``; without one it has no settings.
    """

    Settings: ClassVar[type[PluginSettings]] = NoSettings
    #: Raise this when the same settings give other results than before, so that old results are re-made.
    version: ClassVar[str] = "1"

    settings: SettingsT

    def __init__(self, settings: SettingsT | None = None) -> None:
        self.settings = settings if settings is not None else type(self).Settings()  # type: ignore[assignment]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, Plugin):
                arguments = [a for a in get_args(base) if isinstance(a, type) and issubclass(a, PluginSettings)]
                if arguments:
                    cls.Settings = arguments[0]

    def fingerprint(self) -> str:
        """Return a text that is equal exactly when this plugin gives equal results for equal input."""
        return f"{type(self).__module__}:{type(self).__qualname__}/{self.version}/{self.settings.fingerprint()}"

    def doctor(self) -> Sequence[Check]:
        """Return what ``storymem doctor`` shall say of this plugin: requirements, predictions. Loads no weights."""
        return ()

    def close(self) -> None:
        """Release what the plugin holds (devices, connections). Called once, when the run ends."""


#: Builds a plugin by kind ("policy", "filter", ...), name and settings.
BuildPlugin = Callable[[str, str, Mapping[str, Any]], Plugin[Any]]


class BuildsPlugins(ABC):
    """Mixed into plugins that are made of other plugins, such as a composition of policies."""

    @abstractmethod
    def build_parts(self, build: BuildPlugin) -> None:
        """Build the parts. Called once, before anything else, by the host that knows the run's plugins.

        Parts are found as the run finds its plugins: installed ones and local files alike.
        """
