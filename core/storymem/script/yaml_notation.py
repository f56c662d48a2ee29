"""YAML, within limits: plain values only, built in one pass over the parser's events.

Values are resolved as PyYAML's safe loader does, but for two kinds that no script means: dates stay text, and so
do numbers to the base of 60 (``1:20``). Tags, aliases and merge keys are refused. A key is the text it is
written as, so that ``1:2`` and ``no`` may be keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from storymem.errors import ScriptError

MAX_VALUES = 200_000  #: also keys; about 20,000 shots
MAX_DEPTH = 40
_MAX_NUMBER = 100  #: characters
_MAX_DIRECTIVES = 16
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset({"!", f"{_TAG}str", f"{_TAG}map", f"{_TAG}seq"})
_TYPED = frozenset({f"{_TAG}{kind}" for kind in ("null", "bool", "int", "float")})
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


def loads(text: str) -> Any:
    """Return YAML text as plain data.

    Raises:
        ScriptError: It uses what is refused, or exceeds a limit; names the line.
        yaml.YAMLError: It is not YAML.
    """
    # The parser compares each tag directive with every one before it.
    if len(_DIRECTIVE.findall(text)) > _MAX_DIRECTIVES:
        raise ScriptError(f"has more than {_MAX_DIRECTIVES} lines that begin with %, as YAML directives do")
    return _Builder(_events(text)).document()


class _Builder:
    """Builds plain data from a flat stream of events."""

    def __init__(self, events: Iterator[Any]) -> None:
        import yaml
        from yaml.constructor import SafeConstructor
        from yaml.resolver import Resolver

        self._yaml, self._events = yaml, events
        self._resolve: Callable[..., str] = Resolver().resolve
        self._construct: Callable[[Any], Any] = SafeConstructor().construct_object
        self._count = 0

    def document(self) -> Any:
        """Return the only document's value; None for an empty stream."""
        value, documents = None, 0
        for event in self._events:
            if isinstance(event, self._yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise ScriptError(f"{_line(event)}: a second YAML document; a script is one")
                value = self._value(next(self._events), 0)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        self._check(event)
        if isinstance(event, self._yaml.ScalarEvent):
            return self._scalar(event)
        if depth >= MAX_DEPTH:
            raise ScriptError(f"{_line(event)}: is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, self._yaml.SequenceStartEvent):
            return self._sequence(depth)
        return self._mapping(depth)

    def _sequence(self, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), self._yaml.SequenceEndEvent):
            values.append(self._value(event, depth + 1))
        return values

    def _mapping(self, depth: int) -> dict[str, Any]:
        table: dict[str, Any] = {}
        while not isinstance(event := next(self._events), self._yaml.MappingEndEvent):
            key = self._key(event)
            if key in table:
                raise ScriptError(f"{_line(event)}: key {key[:60]!r} is given twice in one table")
            table[key] = self._value(next(self._events), depth + 1)
        return table

    def _key(self, event: Any) -> str:
        self._check(event)
        if not isinstance(event, self._yaml.ScalarEvent):
            raise ScriptError(f"{_line(event)}: a key must be text")
        key: str = event.value
        if key == "<<" and event.implicit[0]:
            raise ScriptError(f"{_line(event)}: YAML merge keys (<<) are not allowed")
        return key

    def _check(self, event: Any) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            raise ScriptError(f"{_line(event)}: more than {MAX_VALUES} values, the limit for YAML; use JSON")
        if isinstance(event, self._yaml.AliasEvent):
            raise ScriptError(f"{_line(event)}: YAML aliases (*{event.anchor}) are not allowed")
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            raise ScriptError(f"{_line(event)}: the YAML tag {event.tag[:60]!r} is not allowed; only plain values are")

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.tag is not None or not event.implicit[0]:
            return text
        node = self._yaml.ScalarNode
        tag = self._resolve(node, text, (True, False))
        if tag not in _TYPED or (":" in text and tag != f"{_TAG}null"):
            return text
        if len(text) > _MAX_NUMBER:
            raise ScriptError(f"{_line(event)}: a number of {len(text)} characters; quote it if it is text")
        return self._construct(node(tag, text))


def _events(text: str) -> Iterator[Any]:
    import yaml

    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        # libyaml looks ahead, and newer ones give up at a limit of their own before our count gets there.
        if "nesting depth" in (error.problem or ""):
            raise ScriptError(f"is nested deeper than {MAX_DEPTH} levels") from error
        raise


def _line(event: Any) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "line 1"
