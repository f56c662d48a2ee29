"""Named factories by kind, each with its owner; building one, and the errors of asking for one."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from storymem.errors import PluginError, SettingsError
from storymem.interfaces import Plugin, PluginSettings
from storymem.plugin.kinds import INTERFACES, Kind
from storymem.validation import describe


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a plugin comes from: entry-point name or file, and its distribution."""

    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})".replace(" )", ")")


@dataclass(frozen=True, slots=True)
class Registration:
    """One named factory.

    Attributes:
        kind: What it makes.
        name: How settings ask for it.
        target: The plugin class, or ``"package.module:Class"`` to be imported when first built.
        settings: The settings model.
        owner: Who registered it.
        requires: Importable modules it needs beyond the core.
        install: What to install when one of them is missing.
        summary: One line for listings.
        suggests: Run settings that suit it, used where nothing else is said; see :meth:`Registry.suggestions`.
        default_for: Settings keys of which it is the default.
    """

    kind: Kind
    name: str
    target: type[Plugin[Any]] | str
    settings: type[PluginSettings]
    owner: Owner
    requires: tuple[str, ...] = ()
    install: str = ""
    summary: str = ""
    suggests: Mapping[str, Any] = field(default_factory=dict)
    default_for: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """Return the required modules that are not installed, without importing any."""
        return [module for module in self.requires if not _is_there(module)]

    def load(self) -> type[Plugin[Any]]:
        """Import and return the plugin class.

        Raises:
            PluginError: A requirement is missing, the import failed, or it is not of its kind's interface.
        """
        label = f"{self.kind} {self.name!r}"
        if missing := self.missing():
            hint = f"; install it with: pip install {self.install!r}" if self.install else ""
            raise PluginError(f"{label} needs {', '.join(missing)}, not installed{hint}")
        cls = self.target if isinstance(self.target, type) else _import(self.target, label)
        if not (isinstance(cls, type) and issubclass(cls, INTERFACES[self.kind])):
            raise PluginError(f"{label} of {self.owner}: {cls!r} is not a {INTERFACES[self.kind].__name__} class")
        return cls

    def build(self, settings: Mapping[str, Any]) -> Plugin[Any]:
        """Return a plugin instance with checked settings."""
        return self.load()(self.check(settings))

    def check(self, settings: Mapping[str, Any]) -> PluginSettings:
        """Validate settings without importing the plugin's heavy parts.

        Raises:
            SettingsError: Names the key and the reason.
        """
        try:
            return self.settings.model_validate(dict(settings))
        except ValidationError as error:
            raise SettingsError(f"{self.kind} {self.name!r}: {describe(error)}") from error


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def _import(target: str, label: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a broken installation of a model library may raise anything
        raise PluginError(f"{label}: importing {target} failed: {error}") from error


#: Settings keys that hold lists of plugins.
LIST_KEYS = ("filters", "accept.filters")


class Register:
    """Given to a hook: call it once per plugin, ``register(name, PluginClass)``."""

    def __init__(self, kind: Kind, owner: Owner, add: Callable[[Registration], None]) -> None:
        self._kind, self._owner, self._add = kind, owner, add

    def __call__(
        self,
        name: str,
        plugin: type[Plugin[Any]] | str,
        *,
        settings: type[PluginSettings] | None = None,
        requires: Sequence[str] = (),
        install: str = "",
        summary: str = "",
        suggests: Mapping[str, Any] | None = None,
        default_for: Sequence[str] = (),
    ) -> None:
        """Register a plugin of this hook's kind.

        Args:
            name: Lower case, unique among its kind.
            plugin: Its class; or ``"package.module:Class"`` where importing the module is slow, such as
                anything that needs torch. The module is then imported when the plugin is first used.
            settings: Its settings model; needed with a string, read from the class otherwise.
            requires: Modules it imports that are not dependencies of storymem itself.
            install: What to pip install when one of them is missing, e.g. ``storymem[wan]``.
            summary: One line for listings; the first line of the class docstring if not given.
            suggests: For backbones: run settings by key that suit it, such as the encoder trained with it. They
                are used where no file, option or program says otherwise.
            default_for: Settings keys whose value it is where nothing is said. The built-in plugins use it, so that
                the core need not know their names.
        """
        model = settings or (PluginSettings if isinstance(plugin, str) else plugin.Settings)
        if not summary and isinstance(plugin, type):
            summary = (plugin.__doc__ or "").strip().split("\n")[0]
        self._add(
            Registration(
                self._kind,
                name,
                plugin,
                model,
                self._owner,
                tuple(requires),
                install,
                summary,
                dict(suggests or {}),
                tuple(default_for),
            )
        )


@dataclass
class Registry:
    """All registrations, by kind and name."""

    _entries: dict[Kind, dict[str, Registration]] = field(default_factory=lambda: {kind: {} for kind in Kind})

    def add_all(self, registrations: Sequence[Registration]) -> None:
        """Add one plugin's registrations, all or none.

        Raises:
            PluginError: A name is malformed or taken; both owners are named.
        """
        fresh: dict[tuple[Kind, str], Registration] = {}
        for entry in registrations:
            self._check_name(entry, fresh.get((entry.kind, entry.name)))
            fresh[entry.kind, entry.name] = entry
        for (kind, name), entry in fresh.items():
            self._entries[kind][name] = entry

    def _check_name(self, entry: Registration, twin: Registration | None) -> None:
        if not entry.name.replace("_", "").replace("-", "").isalnum() or entry.name != entry.name.lower():
            raise PluginError(f"{entry.kind} name {entry.name!r} of {entry.owner}: use lower case, digits, _ and -")
        other = self._entries[entry.kind].get(entry.name) or twin
        if other is not None:
            raise PluginError(
                f"{entry.kind} {entry.name!r} is registered by both {other.owner} and {entry.owner}; "
                "rename one or disable its plugin"
            )

    def __iter__(self) -> Iterator[Registration]:
        for entries in self._entries.values():
            yield from (entries[name] for name in sorted(entries))

    def names(self, kind: Kind) -> list[str]:
        """Return the registered names of a kind, sorted."""
        return sorted(self._entries[kind])

    def get(self, kind: Kind, name: str) -> Registration | None:
        """Return a registration, or None."""
        return self._entries[kind].get(name)

    def suggestions(self, backbone: str) -> Mapping[str, Any]:
        """Return the run settings a backbone suggests; none for an unknown one."""
        entry = self.get(Kind.BACKBONE, backbone)
        return entry.suggests if entry else {}

    def defaults(self) -> Mapping[str, Any]:
        """Return the plugin behind every settings key where nothing is said: a name, or a list for lists of plugins.

        ``policy with entities`` is the policy of stories whose shots list entities, ``accept.filters`` what an accept
        gate judges by, ``backbone without a model`` what plans and graphs are checked with where none was chosen, and
        ``planner`` and ``reviser`` what writes and changes scripts.
        """
        found: dict[str, Any] = {key: [] for key in LIST_KEYS}
        for entry in self:
            for key in entry.default_for:
                if key in LIST_KEYS:
                    found[key].append(entry.name)
                elif key in found:
                    other = self.get(entry.kind, found[key])
                    raise PluginError(f"{key}: both {entry.owner} and {other and other.owner} want to be the default")
                else:
                    found[key] = entry.name
        return found

    def default(self, key: str) -> str:
        """Return the plugin of :meth:`defaults` behind a key that takes one.

        Raises:
            PluginError: No registered plugin is the default of it.
        """
        name = self.defaults().get(key)
        if not isinstance(name, str):
            raise PluginError(f"no installed plugin is the default {key}; name one, or see: storymem plugins")
        return name

    def unknown(self, kind: Kind, name: str) -> str:
        """Return the message for a name that nobody registered."""
        close = difflib.get_close_matches(name, self.names(kind), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown {kind} {name!r}: {hint}there are {', '.join(self.names(kind)) or 'none'}"
