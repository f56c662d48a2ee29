"""Long texts, brought down part by part to what fits beside a request in a model's context."""

from __future__ import annotations

import re

from storymem.script.mentions import estimate_tokens
from storymem_plugins.planning.answers import SummaryAnswer
from storymem_plugins.planning.asking import Asker
from storymem_plugins.planning.chat import Message
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.prompting import system_prompt

MAX_PARTS = 200
#: Part of the context that a text may fill; the rest is for the request and the answer.
_SHARE = 0.4
_PASSES = 3
_BORDERS = tuple(map(re.compile, (r"(?<=\n\n)", r"(?<=[.!?\u3002\uff01\uff1f])(?=\s|[^\x00-\x7f])", r"(?<=\s)")))


def condensed(text: str, asker: Asker) -> str:
    """Return ``text``, or summaries of its parts in order, short enough for one request.

    Raises:
        PlanError: It has more than 200 parts of the model's context, or does not become short enough.
    """
    room = int(asker.settings.context_tokens * _SHARE)
    for _ in range(_PASSES):
        if estimate_tokens(text) <= room:
            return text
        parts = parts_of(text, room)
        if len(parts) > MAX_PARTS:
            raise PlanError(
                f"the brief is too long: {len(parts)} parts of {room} tokens, at most {MAX_PARTS}; "
                "plan it chapter by chapter, or raise context_tokens if the model allows"
            )
        text = "\n\n".join(_summary(part, f"part {i} of {len(parts)}", asker) for i, part in enumerate(parts, 1))
    if estimate_tokens(text) > room:
        raise PlanError(f"the brief is still too long after {_PASSES} summaries; raise context_tokens or shorten it")
    return text


def parts_of(text: str, room: int) -> list[str]:
    """Return ``text`` in parts of at most ``room`` tokens, split between paragraphs, else sentences, else words."""
    parts: list[str] = []
    used = 0
    for piece in _pieces(text, room):
        size = estimate_tokens(piece)
        if parts and used + size <= room:
            parts[-1] += piece
            used += size
        else:
            parts.append(piece)
            used = size
    return [part.strip() for part in parts if part.strip()]


def _pieces(text: str, room: int) -> list[str]:
    pieces = [text]
    for border in _BORDERS:
        pieces = [part for piece in pieces for part in _split(piece, border, room)]
    # A run without any border, as in a text of one endless word, is cut by length.
    return [part for piece in pieces for part in _chopped(piece, room)]


def _split(piece: str, border: re.Pattern[str], room: int) -> list[str]:
    return [piece] if estimate_tokens(piece) <= room else [part for part in border.split(piece) if part]


def _chopped(piece: str, room: int) -> list[str]:
    if estimate_tokens(piece) <= room:
        return [piece]
    return [piece[start : start + room] for start in range(0, len(piece), room)]


def _summary(part: str, stage: str, asker: Asker) -> str:
    messages = [
        Message("system", system_prompt("condense").text),
        Message("user", f"<part>\n{part}\n</part>"),
    ]
    return asker.ask(f"summary of {stage}", messages, SummaryAnswer).summary
