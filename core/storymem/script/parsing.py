"""From a file's bytes to plain data: JSON, JSON5, YAML, TOML and JSON lines, within stated limits.

Nothing in a file is executed. A key given twice is an error wherever the notation's parser can tell (not in
JSON5). Every notation is read in time that grows with the file's size alone, or refused: the limits are those at
which reading takes a few seconds. A ``.txt`` file is one text: some forms are.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.script import toml_notation, yaml_notation

MAX_BYTES = 20 * 1024 * 1024
MAX_DEPTH = 40
#: Values and keys of one file; a script of 100,000 shots has about a million.
MAX_VALUES = 2_000_000
#: Lines of a .jsonl file that are not blank: each holds at least one shot.
MAX_LINES = 100_000


def read_data(path: Path) -> JsonValue:
    """Read a script file of any supported notation, told by its suffix.

    Raises:
        ScriptError: Missing, over the notation's limit (20 MiB; TOML 1 MiB), not UTF-8, not of its notation, nested
            deeper than 40 levels, or with a value that is no Unicode text or no finite number.
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
    if problem := unwritable(data):
        raise ScriptError(f"{path}: {problem}")
    return data


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:  # bounded by what is read: a device or a growing file has no size
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ScriptError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ScriptError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}") from error


def _json(text: str) -> Any:
    """Parse JSON; where that fails, JSON5, whose parser accepts comments and trailing commas."""
    # A file of nothing but brackets would take long before its values could be counted.
    if text.count("{") + text.count("[") > MAX_VALUES:
        raise ScriptError(f"has more than {MAX_VALUES} values")
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
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {twice[:60]!r} is given twice in one table")
    return table


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that a script can hold")


def _json_lines(text: str) -> Any:
    values: list[Any] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        if len(values) == MAX_LINES:
            raise ScriptError(f"line {number}: more than {MAX_LINES} lines")
        try:
            values.append(_strict_json(line))
        except json.JSONDecodeError as error:
            raise ScriptError(f"line {number}: not JSON: {error.msg} at column {error.colno}") from error
        except ValueError as error:
            raise ScriptError(f"line {number}: {error}") from error
    return values


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".json": _json,
    ".json5": _json,
    ".jsonl": _json_lines,
    ".yaml": yaml_notation.loads,
    ".yml": yaml_notation.loads,
    ".toml": toml_notation.loads,
    ".txt": str,
}


def _where(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno} column {error.colno}: not JSON: {error.msg}"
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1} column {mark.column + 1}: not YAML: {getattr(error, 'problem', '')}"
    return " ".join(str(error).split())


def unwritable(data: JsonValue) -> str:
    """Return what a script cannot hold: too much, too deep, infinite, or not Unicode; empty if nothing."""
    level: list[Any] = [data]
    count = 1
    for _ in range(MAX_DEPTH):
        if bad := next((value for value in level if _unusable(value)), None):
            return _named(data, bad)
        containers = [value for value in level if isinstance(value, dict | list)]
        count += sum(map(len, containers))
        if count > MAX_VALUES:
            return f"has more than {MAX_VALUES} values"
        if any(isinstance(value, dict) and not all(map(_is_text, value)) for value in containers):
            return "a key is not Unicode text"
        level = [child for value in containers for child in (value.values() if isinstance(value, dict) else value)]
        if not level:
            return ""
    return f"is nested deeper than {MAX_DEPTH} levels"


def _unusable(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, str) and not _is_text(value)


def _is_text(value: str) -> bool:
    """Return whether ``value`` can be written as UTF-8; half of a surrogate pair cannot."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(data: Any, bad: Any) -> str:
    """Return where ``bad`` is, by identity, and why it cannot stay."""
    path = ".".join(next(_paths(data, bad), ()))
    reason = "is not Unicode text" if isinstance(bad, str) else f"{bad} is not a number that a script can hold"
    return f"{path}: {reason}" if path else reason


def _paths(value: Any, wanted: Any) -> Iterator[tuple[str, ...]]:
    if value is wanted:
        yield ()
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        for rest in _paths(inner, wanted):
            yield (str(key), *rest)
