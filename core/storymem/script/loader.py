"""Loads a script file of any registered format, and finds the files it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from storymem.errors import ScriptError
from storymem.interfaces.format import ScriptFormat
from storymem.plugin import Kind, PluginHost
from storymem.script.parsing import read_data
from storymem.script.references import reference_path
from storymem.validation import describe
from storymem.values.script import MAX_SHOTS, StoryScript

__all__ = ["detect_format", "load_script", "parse_script", "reference_path", "validate_script"]

NATIVE = "storymem"
_LONGEST = 500


def load_script(path: Path | str, host: PluginHost | None = None) -> StoryScript:
    """Read a script file; its format is recognised by its content.

    Args:
        path: The file.
        host: Knows the formats; the installed plugins if None.

    Raises:
        ScriptError: Names the file, the key and the reason.
    """
    path = Path(path)
    return parse_script(read_data(path), path, host or PluginHost())[1]


def parse_script(
    data: JsonValue, path: Path, host: PluginHost, settings: Mapping[str, Any] | None = None
) -> tuple[str, StoryScript]:
    """Return the name of the form that ``data`` has, and the script.

    Args:
        data: What :func:`read_data` gave.
        path: The file, for messages and reference images.
        host: For the forms.
        settings: Settings of the form, such as ``line`` of memflow.

    Raises:
        ScriptError: No form fits, or the data is wrong; names the file, the key and the reason.
        SettingsError: The form has no such setting.
    """
    found = detect_format(data, host)
    if found is None:
        known = ", ".join(host.registry.names(Kind.SCRIPT_FORMAT))
        raise ScriptError(f"{path}: is not a story script of any known form ({known}); it needs title and scenes")
    name, form = found
    if settings:
        plugin = host.build(Kind.SCRIPT_FORMAT, name, settings)
        form = plugin if isinstance(plugin, ScriptFormat) else form
    return name, form.parse(data, path)


def detect_format(data: JsonValue, host: PluginHost) -> tuple[str, ScriptFormat] | None:
    """Return name and instance of the first format that recognises ``data``; our own comes first."""
    names = sorted(host.registry.names(Kind.SCRIPT_FORMAT), key=lambda name: (name != NATIVE, name))
    for name in names:
        plugin = host.build(Kind.SCRIPT_FORMAT, name, {})
        if isinstance(plugin, ScriptFormat) and plugin.detect(data):
            return name, plugin
    return None


def validate_script(data: JsonValue, source: Path) -> StoryScript:
    """Validate data of the project's own form.

    Raises:
        ScriptError: Names the file, the path of the key and the reason.
    """
    # Before each item is looked at: a list of nothing but mistakes would be described item by item.
    if (count := _shot_count(data)) > MAX_SHOTS:
        raise ScriptError(f"{source}: scenes: {count} shots; at most {MAX_SHOTS}")
    try:
        return StoryScript.model_validate(data)
    except ValidationError as error:
        # Keys are the file's own words: of any length, and with line breaks.
        reason = " ".join(describe(error).split())
        raise ScriptError(f"{source}: {reason[:_LONGEST]}") from error


def _shot_count(data: JsonValue) -> int:
    scenes = data.get("scenes") if isinstance(data, dict) else None
    if not isinstance(scenes, list):
        return 0
    lists = (scene.get("shots") for scene in scenes if isinstance(scene, dict))
    return max(len(scenes), sum(len(shots) for shots in lists if isinstance(shots, list)))
