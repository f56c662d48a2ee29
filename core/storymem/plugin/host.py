"""Finds plugins, loads each on its own, and remembers which are broken and why.

A host holds everything it found; there is no global registry. A broken plugin never stops the others: it is
recorded, listed, and its error is raised when somebody asks for what it may have provided.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from storymem.errors import PluginError
from storymem.interfaces import BuildsPlugins, Plugin
from storymem.plugin import spec
from storymem.plugin.kinds import HOOKS, Kind
from storymem.plugin.registry import Owner, Register, Registration, Registry

GROUP = "storymem"
#: ``all`` or a comma-separated list of entry-point names to leave out; built-ins always load.
DISABLE_VARIABLE = "STORYMEM_DISABLE_PLUGINS"
OWN_DISTRIBUTION = "storymem"


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that could not be loaded."""

    owner: Owner
    error: PluginError


class PluginHost:
    """All plugins of one process: installed ones by entry point, and local files.

    Args:
        files: One-file local plugins, ``path/to/plugin.py``. These must load; an error is raised at once.
        environ: Environment to read :data:`DISABLE_VARIABLE` from; the process's own by default.
    """

    def __init__(self, files: Sequence[Path] = (), environ: Mapping[str, str] | None = None) -> None:
        self.files = tuple(files)
        self.registry = Registry()
        self.broken: list[Broken] = []
        self.disabled: list[Owner] = []
        disabled = (os.environ if environ is None else environ).get(DISABLE_VARIABLE, "")
        self._load_entry_points({name.strip() for name in disabled.split(",") if name.strip()})
        for path in self.files:
            self._add(_import_file(path), Owner(str(path), "local file", ""))

    def build(self, kind: Kind, name: str, settings: Mapping[str, Any]) -> Plugin[Any]:
        """Build a plugin by name; see :meth:`find` and :meth:`Registration.build` for errors."""
        plugin = self.find(kind, name).build(settings)
        self.connect(plugin)
        return plugin

    def connect(self, plugin: Plugin[Any]) -> None:
        """Let a plugin that is made of other plugins build them from this host."""
        if isinstance(plugin, BuildsPlugins):
            plugin.build_parts(lambda kind, name, settings: self.build(Kind(kind), name, settings))

    def find(self, kind: Kind, name: str) -> Registration:
        """Return a registration.

        Raises:
            PluginError: Nobody registered the name; says what was meant, or which broken plugin may have it.
        """
        found = self.registry.get(kind, name)
        if found is not None:
            return found
        for broken in self.broken:
            if name in (broken.owner.name, broken.owner.distribution):
                raise PluginError(f"{kind} {name!r}: its plugin is broken: {broken.error}") from broken.error
        suspects = "".join(f"; broken plugin {b.owner}: {b.error}" for b in self.broken)
        raise PluginError(self.registry.unknown(kind, name) + suspects + "; see: storymem plugins")

    def _load_entry_points(self, disabled: set[str]) -> None:
        for point, owner in _owned(entry_points(group=GROUP)):
            own = owner.distribution == OWN_DISTRIBUTION
            if not own and ("all" in disabled or point.name in disabled):
                self.disabled.append(owner)
                continue
            try:
                self._add(_load(point, owner), owner)
            except PluginError as error:
                self.broken.append(Broken(owner, error))

    def _add(self, module: object, owner: Owner) -> None:
        """Collect one plugin's registrations; nothing of it stays if any is wrong."""
        manager = pluggy.PluginManager(spec.PROJECT)
        manager.add_hookspecs(spec)
        try:
            manager.register(module, name=owner.name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            problem = _hook_problem(manager, module) or " ".join(str(error).split())
            raise PluginError(f"plugin {owner}: {problem}") from error
        if not manager.get_hookcallers(module):
            raise PluginError(f"plugin {owner}: has no hooks; mark one with @storymem.plugin.hookimpl")
        collected: list[Registration] = []
        for kind, hook in HOOKS.items():
            try:
                getattr(manager.hook, hook)(register=Register(kind, owner, collected.append))
            except Exception as error:  # a third party's code may raise anything; it must not stop the others
                raise PluginError(f"plugin {owner}: {hook} failed: {type(error).__name__}: {error}") from error
        self.registry.add_all(collected)


def _owned(points: Iterable[EntryPoint]) -> list[tuple[EntryPoint, Owner]]:
    """Return entry points with their owners, our own distribution's first, then by name."""
    known: dict[int, tuple[str, str]] = {}  # a distribution's metadata is parsed whenever it is asked for

    def owner(point: EntryPoint) -> Owner:
        if point.dist is None:
            return Owner(point.name, "unknown distribution", "")
        if id(point.dist) not in known:
            known[id(point.dist)] = (point.dist.name, point.dist.version)
        return Owner(point.name, *known[id(point.dist)])

    found = [(point, owner(point)) for point in points]
    return sorted(found, key=lambda pair: (pair[1].distribution != OWN_DISTRIBUTION, pair[1].name))


def _load(point: EntryPoint, owner: Owner) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # importing a third party's module may raise anything
        raise PluginError(f"plugin {owner}: import failed: {type(error).__name__}: {error}") from error


def _hook_problem(manager: pluggy.PluginManager, module: object) -> str:
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None and name not in HOOKS.values():
            return f"{name} is not a hook; hooks are {', '.join(HOOKS.values())}"
    return ""


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError(f"plugin {path}: no such file")
    # The content is part of the name: an edited plugin has other fingerprints, and two files never meet.
    name = f"storymem_local_{path.stem}_{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise PluginError(f"plugin {path}: must be a .py file")
    module = importlib.util.module_from_spec(module_spec)
    # Registered under its name so that classes defined in it can be pickled to worker processes.
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the file's code may raise anything
        sys.modules.pop(name, None)
        raise PluginError(f"plugin {path}: {type(error).__name__}: {error}") from error
    return module
