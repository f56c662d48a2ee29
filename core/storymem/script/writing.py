"""From a script to plain data and to a file, exactly: reading it back gives an equal script.

Knows nothing about other projects' forms; those are plugins of kind ``format``.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.script.parsing import unwritable
from storymem.values.script import StoryScript

#: Control characters and line breaks other than \\n.
_UNQUOTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff]")


def to_data(script: StoryScript) -> dict[str, JsonValue]:
    """Return the script as plain data, without the values that are defaults anyway."""
    return cast("dict[str, JsonValue]", script.model_dump(mode="json", exclude_defaults=True))


def to_text(data: JsonValue, suffix: str) -> str:
    """Return plain data in the notation that a file suffix names.

    Raises:
        ScriptError: The suffix is unknown, or the notation cannot hold the data: TOML has no null, and none has
            infinite numbers or text that is not Unicode.
    """
    writer = _WRITERS.get(suffix.lower())
    if writer is None:
        raise ScriptError(f"unknown file type {suffix!r}; use {', '.join(sorted(_WRITERS))}")
    if problem := unwritable(data):
        raise ScriptError(problem)
    return writer(data)


def check_free(path: Path, *, force: bool) -> None:
    """Raise :class:`ScriptError` if a file is there already and may not be written over."""
    if not force and os.path.lexists(path):
        raise ScriptError(f"{path}: exists; choose another file, or add --force to write over it")


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

    A file that is there keeps its permissions; a link is kept, and the file that it leads to is replaced.

    Raises:
        ScriptError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.resolve() if path.is_symlink() else path
        # A short name of our own: one made of the target's could be too long for the file system.
        temporary = target.with_name(f".storymem-{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except UnicodeEncodeError as error:
        raise ScriptError(f"{path}: cannot be written: not Unicode text at character {error.start}") from error
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError to pathlib
        raise ScriptError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error


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
