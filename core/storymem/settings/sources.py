"""Where settings come from, and who wins: defaults < file < environment < command line < Python.

Every key remembers its source, so that ``storymem config`` can say why a value is what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from storymem.errors import SettingsError
from storymem.numbers import DRAW, seed_number, whole_or_none
from storymem.script import toml_notation
from storymem.settings.model import CHOICE_KEYS, RunSettings
from storymem.validation import describe

ENV_PREFIX = "STORYMEM_"
#: Variables of this prefix that are not run settings.
ENV_OTHER = frozenset({"STORYMEM_DISABLE_PLUGINS"})


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one source, as nested plain data."""

    source: str
    values: Mapping[str, Any]


class Catalogue(Protocol):
    """What is known of the plugins there are, such as :class:`storymem.plugin.registry.Registry`."""

    def defaults(self) -> Mapping[str, Any]:
        """Return the plugin behind every settings key where nothing is said."""

    def suggestions(self, backbone: str) -> Mapping[str, Any]:
        """Return the run settings that a backbone suggests."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings of a run.

    Attributes:
        settings: All of them.
        origins: For every key path that is not a default, the source of its value.
        explicit: What was given, without defaults and suggestions, as nested plain data.
    """

    settings: RunSettings
    origins: Mapping[str, str]
    explicit: Mapping[str, Any]

    def chose(self, key: str) -> bool:
        """Whether some source gave a value for ``key`` or for a setting of its plugin."""
        return any(origin == key or origin.startswith(f"{key}.") for origin in self.origins)


def file_layer(path: Path) -> Layer:
    """Read a TOML settings file.

    Raises:
        SettingsError: The file is missing or is not TOML.
    """
    try:
        return Layer(str(path), toml_notation.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: settings file does not exist") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error}") from error


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Read ``STORYMEM_BUDGET=4`` and ``STORYMEM_BACKBONE__PROFILE=24gb``; two underscores go one level down."""
    values: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if name.startswith(ENV_PREFIX) and name not in ENV_OTHER:
            _assign(values, name.removeprefix(ENV_PREFIX).lower().split("__"), parse_value(text), name)
    return Layer("environment", values)


def assignments_layer(source: str, assignments: Sequence[str]) -> Layer:
    """Read ``key.path=value`` texts, as given to ``--set``.

    Raises:
        SettingsError: A text has no ``=``, or uses one key as value and as table.
    """
    values: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not all(part.strip() for part in key.split(".")):
            raise SettingsError(f"--set {text!r}: write it as key=value, e.g. --set budget=4")
        _assign(values, key.strip().split("."), parse_value(value), f"--set {text}")
    return Layer(source, values)


def parse_value(text: str) -> Any:
    """Return ``text`` as a TOML value if it is one (4, true, ["a"]), ``none`` as None, else as it stands."""
    if text.strip().lower() == "none":
        return None
    try:
        table = toml_notation.loads(f"value = {text}")
    except (ValueError, RecursionError):  # also numbers of thousands of digits
        return text
    return table["value"] if len(table) == 1 else text


def resolve(layers: Sequence[Layer], catalogue: Catalogue, suggest: bool = True) -> Resolved:
    """Merge layers, later ones winning, over what the chosen backbone suggests, and validate the result.

    A seed of -1 is drawn here, once, and is part of ``explicit`` from then on: a run records it, and resumes with it.

    Args:
        layers: Sources, the weakest first.
        catalogue: Names the default plugins, and what backbones suggest.
        suggest: Whether the backbone's suggestions count.

    Raises:
        SettingsError: Names the key, the reason, and the source of the bad value.
    """
    defaults, layers = catalogue.defaults(), _with_drawn_seeds(layers)
    explicit, _ = _merge(layers, defaults)
    backbone = explicit.get("backbone")
    name = str((backbone.get("name") if isinstance(backbone, dict) else None) or defaults.get("backbone"))
    suggested = [Layer(f"backbone {name}", catalogue.suggestions(name))] if suggest else []
    merged, origins = _merge([*suggested, *layers], defaults)
    try:
        return Resolved(RunSettings.model_validate(_filled(merged, defaults)), origins, explicit)
    except ValidationError as error:
        raise SettingsError(f"{describe(error)}{_blame(error, origins)}") from error


def _filled(merged: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the default plugin under every key that says nothing."""
    known = {key: name for key, name in defaults.items() if key in RunSettings.model_fields}
    filled = {**known, **merged}
    accept = filled.get("accept")
    if isinstance(accept, Mapping) and not accept.get("filters"):
        filled["accept"] = {**accept, "filters": defaults.get("accept.filters", [])}
    return filled


def _with_drawn_seeds(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers with -1 replaced by the seed of a layer below, as of the run folder, or else by a new one."""
    known: Any = None
    drawn: list[Layer] = []
    for layer in layers:
        if whole_or_none(layer.values.get("seed")) == DRAW:
            known = seed_number(DRAW) if known is None else known
            drawn.append(Layer(layer.source, {**layer.values, "seed": known}))
        else:
            known = layer.values.get("seed", known)
            drawn.append(layer)
    return drawn


def _merge(layers: Sequence[Layer], defaults: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for key, value in layer.values.items():
            _merge_key(merged, origins, key, _plain(value), layer.source, defaults)
    return merged, origins


def _merge_key(
    merged: dict[str, Any],
    origins: dict[str, str],
    key: str,
    value: Any,
    source: str,
    defaults: Mapping[str, Any],
) -> None:
    if key not in CHOICE_KEYS:
        merged[key], origins[key] = value, source
        return
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        merged[key], origins[key] = value, source
        return
    current = merged.get(key)
    if not isinstance(current, dict):
        current = {"name": defaults.get(key)}
    if "name" in table and table["name"] != current["name"]:
        current = {}
        for stale in [o for o in origins if o.startswith(f"{key}.")]:
            del origins[stale]
    merged[key] = {**current, **table}
    origins.update({f"{key}.{inner}": source for inner in table})


def _plain(value: Any) -> Any:
    """Return a path as text: settings are plain data until they are validated."""
    return str(value) if isinstance(value, Path) else value


def _assign(values: dict[str, Any], path: Sequence[str], value: Any, what: str) -> None:
    *parents, last = path
    for part in parents:
        inner = values.setdefault(part, {})
        if isinstance(inner, str):
            inner = values[part] = {"name": inner}
        if not isinstance(inner, dict):
            raise SettingsError(f"{what}: {part} has a value already and cannot be a table too")
        values = inner
    if isinstance(values.get(last), dict) and isinstance(value, str):
        values[last]["name"] = value
    else:
        values[last] = value


def _blame(error: ValidationError, origins: Mapping[str, str]) -> str:
    first = str(error.errors(include_url=False)[0]["loc"][0]) if error.errors()[0]["loc"] else ""
    sources = {source for key, source in origins.items() if key.split(".")[0] == first}
    return f" (from {', '.join(sorted(sources))})" if sources else ""
