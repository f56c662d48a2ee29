"""From a script to plain data and to a file, exactly: reading it back gives an equal script.

Knows nothing about other projects' forms; those are plugins of kind ``format``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.values.script import StoryScript

#: Control characters and line breaks other than \\n.
_UNQUOTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff]")


def to_data(script: StoryScript) -> dict[str, JsonValue]:
    """Return the script as plain data, without the values that are defaults anyway."""
    return cast("dict[str, JsonValue]", script.model_dump(mode="json", exclude_defaults=True))


def to_text(data: JsonValue, suffix: str) -> str:
    """Return plain data in the notation that a file suffix names.

    Raises:
        ScriptError: The suffix is unknown, or the notation cannot hold the data (TOML has no null).
    """
    writer = _WRITERS.get(suffix.lower())
    if writer is None:
        raise ScriptError(f"unknown file type {suffix!r}; use {', '.join(sorted(_WRITERS))}")
    return writer(data)


def check_suffix(path: Path) -> None:
    """Raise :class:`ScriptError` unless a script can be written to a file of ``path``'s suffix."""
    if path.suffix.lower() not in _WRITERS or path.suffix.lower() == ".txt":
        allowed = ", ".join(sorted(_WRITERS.keys() - {".txt"}))
        raise ScriptError(f"{path}: unknown file type {path.suffix!r}; use {allowed}")


def write_data(path: Path, data: JsonValue) -> None:
    """Write plain data in the notation of ``path``'s suffix, whole or not at all.

    Raises:
        ScriptError: The notation cannot hold the data, or the file cannot be written.
    """
    try:
        text = to_text(data, path.suffix)
    except ScriptError as error:
        raise ScriptError(f"{path}: {error}") from error
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text beside ``path`` and rename it, so that a killed process leaves the old file whole.

    Raises:
        ScriptError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ScriptError(f"{path}: cannot be written: {error.strerror}") from error


def write_script(path: Path, script: StoryScript) -> None:
    """Write a script in the project's own form; the notation is that of the suffix."""
    write_data(path, to_data(script))


def _json(data: JsonValue) -> str:
    return json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _json_lines(data: JsonValue) -> str:
    values = data if isinstance(data, list) else [data]
    return "".join(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values)


def _plain(data: JsonValue) -> str:
    if not isinstance(data, str):
        raise ScriptError("only a form that is one text fits a .txt file; use .json")
    return data


def _yaml(data: JsonValue) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes repeated values in full: readers refuse aliases."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_str(self, data: str) -> yaml.ScalarNode:
            # Unquoted and single-quoted text does not keep these; double-quoted text escapes them.
            style = '"' if _UNQUOTABLE.search(data) else None
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, Dumper.represent_str)
    return yaml.dump(data, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=100)


def _toml(data: JsonValue) -> str:
    import tomli_w

    if not isinstance(data, dict):
        raise ScriptError("TOML holds one table, and this form is none; use .json")
    if null := _find_null(data, ""):
        raise ScriptError(f"{null} is null, which TOML cannot hold; use .json or .yaml")
    return tomli_w.dumps(data)


def _find_null(data: JsonValue, path: str) -> str:
    if data is None:
        return path
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return next(filter(None, (_find_null(v, f"{path}.{k}" if path else str(k)) for k, v in pairs)), "")


_WRITERS: dict[str, Callable[[JsonValue], str]] = {
    ".json": _json,
    ".json5": _json,
    ".jsonl": _json_lines,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".toml": _toml,
    ".txt": _plain,
}
