"""Finds answers that repeat the instructions instead of following them, as small models do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel, JsonValue

_WORD = re.compile(r"[^\W_]+")
#: So many words in the order of the instructions are no coincidence; a whole text may be shorter.
_RUN = 6
_WHOLE = 3


def echoed(answer: BaseModel, instructions: str) -> str:
    """Return the words of a text in ``answer`` that come from ``instructions``, or an empty text."""
    told = f" {' '.join(_words(instructions))} "
    for text in _texts(answer.model_dump(mode="json")):
        words = _words(text)
        if len(words) >= _WHOLE and f" {' '.join(words)} " in told:
            return " ".join(words)
        for start in range(len(words) - _RUN + 1):
            run = " ".join(words[start : start + _RUN])
            if f" {run} " in told:
                return run
    return ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
