"""From a file's bytes to plain data: JSON, JSON5, YAML, TOML and JSON lines, within stated limits.

Nothing in a file is executed: YAML may only hold plain values, and no aliases (a few lines of them can
expand to gigabytes). A key given twice is an error wherever the notation's parser can tell (not in JSON5).
A ``.txt`` file is one text: some forms are.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from storymem.errors import ScriptError

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 40


def read_data(path: Path) -> JsonValue:
    """Read a script file of any supported notation, told by its suffix.

    Raises:
        ScriptError: Missing, over 32 MiB, not UTF-8, not of its notation, or nested deeper than 40 levels.
    """
    parser = _PARSERS.get(path.suffix.lower())
    if parser is None:
        raise ScriptError(f"{path}: unknown file type {path.suffix!r}; use {', '.join(sorted(_PARSERS))}")
    text = _read_text(path)
    try:
        data: JsonValue = parser(text)
    except RecursionError as error:
        raise ScriptError(f"{path}: is nested deeper than {MAX_DEPTH} levels") from error
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
        return _strict_json(text)
    except json.JSONDecodeError as strict:
        import pyjson5

        try:
            return pyjson5.decode(text)
        except pyjson5.Json5Exception:
            # The strict parser's message has line and column; the other's only a position.
            raise strict from None


def _strict_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_table, parse_constant=_no_constant)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in table if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} is given twice in one table")
    return table


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that a script can hold")


def _json_lines(text: str) -> Any:
    values = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                values.append(_strict_json(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: not JSON: {error.msg} at column {error.colno}") from error
    return values


def _yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.CSafeLoader):
        """The safe loader, in C, with repeated keys an error."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            table: Any = super().construct_mapping(node, deep)
            if len(table) < len(node.value):
                raise ValueError(f"line {node.start_mark.line + 1}: a key is given twice in one table")
            return table

    _check_events(text)
    return yaml.load(text, Loader=Loader)


def _check_events(text: str) -> None:
    """Refuse deep nesting and aliases on YAML's flat stream of events: building the tree recurses in C."""
    import yaml

    depth = 0
    for event in _yaml_events(text):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise ScriptError(f"line {line}: YAML aliases (*{event.anchor}) are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ScriptError(f"line {line}: is nested deeper than {MAX_DEPTH} levels")


def _yaml_events(text: str) -> Iterator[Any]:
    import yaml

    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        # libyaml looks ahead, and newer ones give up at a limit of their own before our count gets there.
        if "nesting depth" in (error.problem or ""):
            raise ScriptError(f"is nested deeper than {MAX_DEPTH} levels") from error
        raise


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".json": _json,
    ".json5": _json,
    ".jsonl": _json_lines,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".toml": tomllib.loads,
    ".txt": str,
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
