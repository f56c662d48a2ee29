"""Reads a model's almost-JSON where its meaning is certain, and says what was done.

Small models wrap their answers in prose and fences, think aloud, leave commas behind, write Python's literals, or
encode the answer twice. Each of these can only mean one thing, so asking again would cost the user money for
nothing. What is not certain is not guessed: an answer that breaks off, or from which a word would be lost or made
up, goes back to the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, cast

from pydantic import JsonValue

from storymem.numbers import whole_or_none
from storymem_plugins.planning.chat import JsonSchema

#: Characters of an answer that the repair library gets: its time grows with their square.
MAX_REPAIRED = 16_000
#: How a repair by the library is named; an answer cut off by its length is not repaired.
SYNTAX = "JSON syntax"
_THINKING = re.compile(r"^(?:\s*<(think|thinking|reasoning)>.*?</\1>|.*?</(?:think|thinking|reasoning)>)", re.DOTALL)
_FENCE = re.compile(r"```[\w-]*[ \t]*\n?")
_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|(?P<comment>//[^\n]*|/\*.*?\*/|(?<=[\s,{\[])#[^\n]*)', re.DOTALL)
_WORD = re.compile(r"[^\W_]+")
_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}|\\.")
#: A model that is caught in a loop; such text takes the repair library seconds.
_LOOP = re.compile(r"(.{1,8}?)\1{30,}", re.DOTALL)
_LITERALS = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_CLOSING = {"{": "}", "[": "]"}
_DEPTH = 3


class Unclear(ValueError):
    """The meaning of an answer is not certain; says why."""


def read_answer(text: str, schema: JsonSchema) -> tuple[JsonValue, list[str]]:
    """Return an answer's data, in the shape that ``schema`` asks for where that is certain, and what was repaired.

    Raises:
        Unclear: The text is no JSON and cannot be read as any with certainty, or holds the character U+0000.
    """
    repairs: list[str] = []
    data = _parsed(_body(text, repairs), repairs)
    for _ in range(_DEPTH):
        data = _unwrapped(data, schema, repairs)
    data = _fitted(data, schema, repairs)
    if SYNTAX in repairs and (key := _unknown_key(data, schema)):
        raise Unclear(f"it is no JSON, and the key {key[:40]!r} was not asked for")
    if _holds_nul(data):
        raise Unclear("it holds the character U+0000, which no text needs")
    return data, list(dict.fromkeys(repairs))


def _body(text: str, repairs: list[str]) -> str:
    """Return the JSON of an answer without what surrounds it."""
    body = text.lstrip("\ufeff")
    if body != text:
        repairs.append("a byte order mark")
    without = _THINKING.sub("", body, count=1)
    if "</think" in body and without != body:
        repairs.append("thoughts before the answer")
        body = without
    start = next((i for i, c in enumerate(body) if c in "{["), None)
    quoted = body.strip().startswith('"')
    if start is None or quoted:
        return body.strip()
    end = _end_of(body, start)
    around = body[:start] + (body[end:] if end else "")
    if _FENCE.search(around) or "```" in around:
        repairs.append("a code fence")
    if _WORD.search(re.sub(r"```[\w-]*", "", around)):
        repairs.append("words around the JSON")
    if end and ("{" in body[end:] or "[" in body[end:]):
        raise Unclear("there is more than one JSON value in the answer")
    return body[start:end] if end else body[start:].rstrip().removesuffix("```").rstrip()


def _end_of(text: str, start: int) -> int | None:
    """Return where the value that begins at ``start`` is closed, or None; brackets in strings are text."""
    stack: list[str] = []
    quoted, escaped = False, False
    for index in range(start, len(text)):
        char = text[index]
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted, escaped = True, False
        elif char in _CLOSING:
            stack.append(_CLOSING[char])
        elif stack and char == stack[-1]:
            stack.pop()
            if not stack:
                return index + 1
    return None


def _parsed(body: str, repairs: list[str]) -> JsonValue:
    try:
        return _loads(body)
    except Unclear:
        raise
    except (ValueError, RecursionError):
        pass
    try:
        data: JsonValue = json.loads(body, strict=False)
    except (ValueError, RecursionError):
        repairs.append(SYNTAX)
        return _repaired(body)
    repairs.append("line breaks in strings")
    return data


def _loads(text: str) -> JsonValue:
    def no_constant(name: str) -> None:
        raise ValueError(name)

    def table(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        if len(found := dict(pairs)) < len(pairs):
            raise Unclear("a key is given twice")
        return found

    data: JsonValue = json.loads(text, object_pairs_hook=table, parse_constant=no_constant)
    return data


def _repaired(body: str) -> JsonValue:
    """Return what the repair library reads, if it lost no word, made none up, and closed at most the last bracket."""
    from json_repair import loads

    if len(body) > MAX_REPAIRED:
        raise Unclear("it is no JSON, and too long to be repaired")
    if _LOOP.search(body):
        raise Unclear("it is no JSON, and repeats itself")
    if not body.startswith(("{", "[")):
        raise Unclear("it is no JSON")
    if _breaks_off(body):
        raise Unclear("it breaks off before its JSON is closed")
    try:
        data = cast("JsonValue", loads(body, skip_json_loads=True))
    except (ValueError, RecursionError) as error:
        raise Unclear("it is no JSON") from error
    if not isinstance(data, dict | list) or _words(_bare(body)) != _words(_dumped(data)):
        raise Unclear("it is no JSON, and what it means is not certain")
    return data


def _breaks_off(body: str) -> bool:
    """Whether more than the outermost bracket is missing at the end, or the last thing is not whole."""
    end = body.rstrip()
    missing = sum(end.count(c) for c in "{[") - sum(end.count(c) for c in "}]")
    return missing > 1 or end[-1:] not in ("}", "]", '"', "'")


def _bare(body: str) -> str:
    """Return the text without comments, its literals as JSON writes them."""
    plain = _COMMENT.sub(lambda match: "" if match["comment"] else match.group(), body)
    return re.sub(r"\b(True|False|None|undefined)\b", lambda match: _LITERALS[match.group()], plain)


def _dumped(data: JsonValue) -> str:
    return re.sub(
        r"\b(True|False|None|undefined)\b", lambda match: _LITERALS[match.group()], json.dumps(data, ensure_ascii=False)
    )


def _words(text: str) -> list[str]:
    def unescaped(match: re.Match[str]) -> str:
        code = match.group()
        return chr(int(code[2:], 16)) if code.startswith("\\u") and len(code) == 6 else " "

    return _WORD.findall(_ESCAPE.sub(unescaped, text))


def _unwrapped(data: JsonValue, schema: JsonSchema, repairs: list[str]) -> JsonValue:
    """Return the answer inside ``{"result": ...}``, a list of one, a bare list, or a string of JSON."""
    wanted = _properties(schema)
    if isinstance(data, str) and data.lstrip()[:1] in ("{", "["):
        repairs.append("an answer that was encoded twice")
        return _parsed(_body(data, repairs), repairs)
    if isinstance(data, list):
        only = next(iter(wanted)) if len(wanted) == 1 else ""
        if len(data) == 1 and isinstance(data[0], dict) and (_known(data[0], wanted) or not only):
            repairs.append("a list around the answer")
            return data[0]
        if only and _type(wanted[only]) == "array":
            repairs.append(f"a list without its key {only!r}")
            return {only: data}
    if isinstance(data, dict) and len(data) == 1 and not _known(data, wanted):
        ((key, inner),) = data.items()
        if isinstance(inner, dict | list | str):
            repairs.append(f"{key[:40]!r} around the answer")
            return inner
    return data


def _known(data: dict[str, JsonValue], wanted: dict[str, JsonSchema]) -> bool:
    return any(_key(name) in map(_key, wanted) for name in data)


def _fitted(value: JsonValue, schema: JsonSchema, repairs: list[str]) -> JsonValue:
    """Return a value in the form that ``schema`` asks for, where it is in another that means the same."""
    fit = _FITS.get(_type(schema))
    return fit(value, schema, repairs) if fit else value


def _fit_object(value: JsonValue, schema: JsonSchema, repairs: list[str]) -> JsonValue:
    if not isinstance(value, dict):
        return value
    wanted = _properties(schema)
    names = {_key(name): name for name in wanted}
    fitted: dict[str, JsonValue] = {}
    for key, inner in value.items():
        name = key if key in wanted else names.get(_key(key), key)
        if name != key and name not in value:
            repairs.append(f"the key {key[:40]!r}")
            key = name  # noqa: PLW2901 - the name that was asked for
        fitted[key] = _fitted(inner, wanted[key], repairs) if key in wanted else inner
    return fitted


def _fit_array(value: JsonValue, schema: JsonSchema, repairs: list[str]) -> JsonValue:
    items = schema.get("items")
    inner: JsonSchema = items if isinstance(items, dict) else {}
    if value is None and not schema.get("minItems"):
        repairs.append("null for an empty list")
        return []
    if isinstance(value, str) and _type(inner) == "string":
        repairs.append("one text for a list")
        value = _listed(value, inner)
    elif isinstance(value, dict) and _type(inner) == "object" and _known(value, _properties(inner)):
        repairs.append("one table for a list")
        value = [value]
    return [_fitted(item, inner, repairs) for item in value] if isinstance(value, list) else value


def _listed(text: str, items: JsonSchema) -> list[JsonValue]:
    """Return the names in a text: the whole of it, or its parts between commas if each of them is allowed."""
    allowed = {str(name).lower() for name in _allowed(items)}
    parts = [part.strip() for part in re.split(r",|;|、|，| and | & ", text) if part.strip()]  # noqa: RUF001 - their commas
    whole = not text.strip() or text.strip().lower() in allowed or not all(part.lower() in allowed for part in parts)
    return ([text] if text.strip() else []) if whole else [*parts]


def _fit_boolean(value: JsonValue, _schema: JsonSchema, repairs: list[str]) -> JsonValue:
    word = value.strip().lower() if isinstance(value, str) else str(whole_or_none(value))
    if isinstance(value, bool) or word not in _TRUTHS:
        return value
    repairs.append(f"{word!r} for true or false")
    return _TRUTHS[word]


def _fit_string(value: JsonValue, schema: JsonSchema, repairs: list[str]) -> JsonValue:
    if isinstance(value, int | float) and not isinstance(value, bool):
        repairs.append("a number for a text")
        return str(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        repairs.append("a list of one for a text")
        value = value[0]
    if isinstance(value, str):
        same = [name for name in _allowed(schema) if isinstance(name, str) and name.lower() == value.strip().lower()]
        return same[0] if same else value
    return value


_FITS: dict[str, Callable[[JsonValue, JsonSchema, list[str]], JsonValue]] = {
    "object": _fit_object,
    "array": _fit_array,
    "boolean": _fit_boolean,
    "string": _fit_string,
}


def _type(schema: JsonSchema) -> str:
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    return "string" if "enum" in schema or "const" in schema else ""


def _properties(schema: JsonSchema) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _allowed(schema: JsonSchema) -> list[JsonValue]:
    names = schema.get("enum")
    return names if isinstance(names, list) else []


def _key(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _unknown_key(value: JsonValue, schema: JsonSchema) -> str:
    """Return a key that was not asked for: after a repair it may be a piece of a text."""
    wanted, items = _properties(schema), schema.get("items")
    if isinstance(value, dict) and wanted:
        inner = (_unknown_key(value[key], wanted[key]) for key in value if key in wanted)
        return next((key for key in value if key not in wanted), "") or next(filter(None, inner), "")
    if isinstance(value, list) and isinstance(items, dict):
        return next(filter(None, (_unknown_key(item, items) for item in value)), "")
    return ""


def _holds_nul(value: JsonValue) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(inner) for key, inner in value.items())
    return any(map(_holds_nul, value)) if isinstance(value, list) else False
