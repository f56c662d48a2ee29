"""Divides a sentence that tells several actions of one subject: "A fox finds a lantern and carries it home".

Used only where a story has fewer sentences than shots. English; a clause is recognised by the form of its verb.
"""

from __future__ import annotations

import re

from storymem_plugins.planning.outline.cast import kind_of

_BORDER = re.compile(
    r"(?:,\s*(?:and\s+then\s+|and\s+|then\s+|but\s+)?|\s+and\s+then\s+|\s+and\s+|\s+then\s+)"
    r"(?=(?P<verb>[a-z]{2,}(?:s|ed))\s+(?:the|a|an|his|her|its|their|it|him|them|to|in|into|through|across|on|at|over|"
    r"under|home|up|down|away|with|for|back|out|off|toward|towards|along|around|again|until|by)\b)"
)
_SUBJECT = re.compile(
    r"^(?P<subject>(?:(?:a|an|the|his|her|one|two|three)\s+(?:[a-z-]+\s+){0,4}?[a-z-]+|[A-Z][a-z]+))"
    r"\s+(?P<verb>[a-z]{2,}(?:s|ed))\b",
    re.IGNORECASE,
)


def clauses_of(sentence: str) -> list[str]:
    """Return the sentence's actions as sentences of their own; the sentence itself if it tells only one."""
    subject = _subject(sentence)
    borders = [match for match in _BORDER.finditer(sentence) if kind_of(match["verb"]) is None]
    if not subject or not borders:
        return [sentence]
    starts = [0, *(match.end() for match in borders)]
    ends = [*(match.start() for match in borders), len(sentence)]
    parts = [sentence[start:end].strip(" ,") for start, end in zip(starts, ends, strict=True)]
    first, *rest = parts
    told = re.sub(r"^(a|an|one)\s", "the ", subject, flags=re.IGNORECASE)
    told = told[0].upper() + told[1:]
    return [_stopped(part) for part in (first, *(f"{told} {part}" for part in rest))]


def _subject(sentence: str) -> str:
    match = _SUBJECT.match(sentence)
    # Where the word taken for a verb is a noun ("the robots dance"), no subject can be told.
    return match["subject"] if match and not kind_of(match["verb"]) else ""


def _stopped(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
