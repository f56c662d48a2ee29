"""A cursor over parsed data whose every error names the file, the key path and the reason.

Knows nothing about scripts beyond the limits that their model sets; the formats say what they expect where.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.numbers import whole_or_none
from storymem.values.script import MAX_PROMPT

_log = logging.getLogger("storymem.script")
_TRUE = frozenset({"true", "yes", "y", "on", "1", "t"})
_FALSE = frozenset({"false", "no", "n", "off", "0", "f"})

_TYPES = {
    dict: "a table",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}
_SHOWN = 40
_LONGEST_PATH = 200  #: keys are the file's own words, and may be of any length


@dataclass(frozen=True, slots=True)
class Node:
    """One value in a file and the way to it.

    Attributes:
        source: The file, for messages.
        value: The parsed value.
        path: Keys and indices from the root, such as ``scenes.0.cut.2``; empty for the root.
    """

    source: Path
    value: JsonValue
    path: str = ""

    def fail(self, reason: str) -> NoReturn:
        """Raise :class:`ScriptError` with the file, this node's path and ``reason``."""
        raise ScriptError(f"{self._where()}{reason}")

    def warn(self, reason: str) -> None:
        """Log what was read otherwise than it is written, with the file and this node's path."""
        _log.warning("%s%s", self._where(), reason)

    def _where(self) -> str:
        path = self.path if len(self.path) <= _LONGEST_PATH else f"{self.path[:_LONGEST_PATH]}..."
        return f"{self.source}: " + (" ".join(f"{path}: ".split()) + " " if path else "")

    def fields(self) -> dict[str, Node]:
        """Return a table's values by key."""
        if not isinstance(self.value, dict):
            self._wrong(dict)
        return {key: self._child(key, value) for key, value in self.value.items()}

    def field(self, key: str) -> Node:
        """Return a required value of a table."""
        found = self.optional(key)
        if found is None:
            self._child(key, None).fail("missing")
        return found

    def optional(self, key: str) -> Node | None:
        """Return a value of a table, or None if it is absent or null."""
        if not isinstance(self.value, dict):
            self._wrong(dict)
        value = self.value.get(key)
        return None if value is None else self._child(key, value)

    def items(self) -> list[Node]:
        """Return a list's values."""
        if not isinstance(self.value, list):
            self._wrong(list)
        return [self._child(str(index), value) for index, value in enumerate(self.value)]

    def filled(self) -> list[Node]:
        """Return the values of a list that must not be empty."""
        return self.items() or self.fail("must not be empty")

    def text(self, limit: int = MAX_PROMPT) -> str:
        """Return text of at most ``limit`` characters."""
        if not isinstance(self.value, str):
            self._wrong(str)
        if len(self.value) > limit:
            self.fail(f"has {len(self.value)} characters; at most {limit} are allowed")
        return self.value

    def prompt(self, limit: int = MAX_PROMPT) -> str:
        """Return text that is not blank, without surrounding space."""
        return self.text(limit).strip() or self.fail("must not be empty")

    def truth(self) -> bool:
        """Return true or false; also accepts 1 and 0, and the words for both, such as ``"True"`` and ``"no"``."""
        if isinstance(self.value, bool):
            return self.value
        word = self.value.strip().lower() if isinstance(self.value, str) else str(whole_or_none(self.value))
        if word not in _TRUE | _FALSE:
            self.fail(f"must be true or false, not {self._shown()}")
        return word in _TRUE

    def number(self) -> int:
        """Return a whole number, in any form: 3, 3.0 or ``"3"``."""
        number = whole_or_none(self.value)
        if number is None:
            self._wrong(int)
        return number

    def size(self) -> int:
        """Return the number of characters of a text, 0 for anything else."""
        return len(self.value) if isinstance(self.value, str) else 0

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items())

    def _child(self, key: str, value: JsonValue) -> Node:
        return Node(self.source, value, f"{self.path}.{key}" if self.path else key)

    def _wrong(self, wanted: type) -> NoReturn:
        self.fail(f"must be {_TYPES[wanted]}, not {self._shown()}")

    def _shown(self) -> str:
        if isinstance(self.value, dict | list):
            return _TYPES[type(self.value)]
        text = "null" if self.value is None else repr(self.value)
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def lines_of(root: Node) -> Iterator[Node]:
    """Yield the lines of a text that are neither blank nor comments (``#``); their paths are ``line N``."""
    text = root.text(root.size())
    found = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            found = True
            yield Node(root.source, line.strip(), f"line {number}")
    if not found:
        root.fail("holds no prompt")


def first_of(data: JsonValue, *path: str | int) -> JsonValue:
    """Follow keys and indices into ``data``; None where the way ends. Never raises; for ``detect``."""
    for step in path:
        if isinstance(step, str):
            data = data.get(step) if isinstance(data, dict) else None
        else:
            data = data[step] if isinstance(data, list) and len(data) > step else None
    return data
