"""Plugins given as objects or classes where settings would name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storymem.engine.plugins import Instances
from storymem.errors import SettingsError
from storymem.interfaces import Finisher, FrameFilter, Plugin
from storymem.plugin.host import PluginHost
from storymem.settings.model import CHOICE_KEYS


def take_instances(overrides: Mapping[str, Any], host: PluginHost) -> tuple[Instances, dict[str, Any]]:
    """Split settings into plugin objects and the rest; a class becomes an object with its default settings.

    Raises:
        SettingsError: A list mixes names and objects.
    """
    made = {key: _made(value, host) for key, value in overrides.items()}
    one = {key: value for key, value in made.items() if key in CHOICE_KEYS and isinstance(value, Plugin)}
    rest = {key: value for key, value in made.items() if key not in one}
    filters = _objects(rest, "filters")
    sinks, finishers = _objects(rest, "sinks"), _objects(rest, "finish")
    if wrong := [type(f).__name__ for f in finishers or () if not isinstance(f, Finisher)]:
        raise SettingsError(f"finish: must be finishers, not {', '.join(wrong)}")
    by_name = None if filters is None else {_name(f): f for f in filters if isinstance(f, FrameFilter)}
    if filters is not None and len(by_name or {}) != len(filters):
        raise SettingsError("filters: must be frame filters, no class of them twice")
    ordered = None if finishers is None else tuple(f for f in finishers if isinstance(f, Finisher))
    return Instances(one, by_name, sinks or (), ordered), rest


def _made(value: Any, host: PluginHost) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_made(item, host) for item in value)
    if isinstance(value, type) and issubclass(value, Plugin):
        value = value()
    if isinstance(value, Plugin):
        host.connect(value)
    return value


def _objects(values: dict[str, Any], key: str) -> tuple[Plugin[Any], ...] | None:
    """Take a list of plugin objects out of ``values``; leave names alone."""
    given = values.get(key)
    if not isinstance(given, Sequence) or isinstance(given, str) or not any(isinstance(i, Plugin) for i in given):
        return None
    if not all(isinstance(item, Plugin) for item in given):
        raise SettingsError(f"{key}: give all by name or all as objects, not both")
    del values[key]
    return tuple(given)


def _name(plugin: Plugin[Any]) -> str:
    return type(plugin).__name__
