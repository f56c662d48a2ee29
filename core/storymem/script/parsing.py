"""From a file's bytes to plain data: JSON, JSON5, YAML, TOML and JSON lines, within stated limits.

Nothing in a file is executed: YAML may only hold plain values, and no aliases (a few lines of them can
expand to gigabytes).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from storymem.errors import ScriptError

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 40


def read_data(path: Path) -> JsonValue:
    """Read a script file of any supported notation, told by its suffix.

    Raises:
        ScriptError: Missing, too large (32 MiB), not UTF-8, not of its notation, or nested deeper than 40 levels.
    """
    parser = _PARSERS.get(path.suffix.lower())
    if parser is None:
        raise ScriptError(f"{path}: unknown file type {path.suffix!r}; use {', '.join(sorted(_PARSERS))}")
    try:
        data = parser(_read_text(path))
    except RecursionError as error:
        raise ScriptError(f"{path}: is nested deeper than {MAX_DEPTH} levels") from error
    except ScriptError:
        raise
    except Exception as error:  # four parsers, each with its own kinds of error
        raise ScriptError(f"{path}: {_where(error)}") from error
    if _too_deep(data):
        raise ScriptError(f"{path}: is nested deeper than {MAX_DEPTH} levels")
    return data


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ScriptError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ScriptError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}") from error


def _json(text: str) -> Any:
    """Parse JSON; where that fails, JSON5, whose parser accepts comments and trailing commas."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as strict:
        import pyjson5

        try:
            return pyjson5.decode(text)
        except pyjson5.Json5Exception:
            # The strict parser's message has line and column; the other's only a position.
            raise strict from None


def _json_lines(text: str) -> Any:
    values = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: not JSON: {error.msg} at column {error.colno}") from error
    return values


def _yaml(text: str) -> Any:
    import yaml

    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {event.start_mark.line + 1}: YAML aliases (*{event.anchor}) are not allowed")
    return yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: S506 - the safe loader, in C


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".json": _json,
    ".json5": _json,
    ".jsonl": _json_lines,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".toml": tomllib.loads,
}


def _where(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno} column {error.colno}: not JSON: {error.msg}"
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1} column {mark.column + 1}: not YAML: {getattr(error, 'problem', '')}"
    return " ".join(str(error).split())


def _too_deep(data: Any) -> bool:
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
