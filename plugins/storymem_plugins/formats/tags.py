"""Entities told by tags in brackets, such as ``[Person A]`` and ``[character1]``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import JsonValue

from storymem.values.script import EntityKind

#: ``[Person A]``, ``[Animal B]``, ``[character1]``; not ``[shot cut]`` and the like, which name no entity.
TAG = re.compile(r"\[(?P<word>[A-Za-z]+)(?P<space>\s?)(?P<mark>[A-Z]|\d{1,3})\]")
_LOOK_END = re.compile(r"\[|;|\.(?:\s|$)|\n")
_KINDS = {
    "place": EntityKind.PLACE,
    "location": EntityKind.PLACE,
    "scene": EntityKind.PLACE,
    "object": EntityKind.OBJECT,
    "item": EntityKind.OBJECT,
    "prop": EntityKind.OBJECT,
    "vehicle": EntityKind.OBJECT,
}


def tags_in(text: str) -> list[str]:
    """Return the tags of a text without brackets, each once, in order."""
    return list(dict.fromkeys(match.group()[1:-1] for match in TAG.finditer(text)))


def entity(tag: str, look: str) -> dict[str, JsonValue]:
    """Return an entity's data; prompts call it by its tag in brackets."""
    word = TAG.fullmatch(f"[{tag}]")
    kind = _KINDS.get(word["word"].lower(), EntityKind.CHARACTER) if word else EntityKind.CHARACTER
    return {"id": tag, "name": f"[{tag}]", "kind": kind.value, "look": look}


def looks_after_tags(text: str, between: re.Pattern[str]) -> dict[str, str]:
    """Return the look that follows each tag for the first time, up to the next tag or the end of the sentence.

    Args:
        text: Such as ``[Animal A]: orange cat, [Person B]: knit sleeve; ...``.
        between: What stands between a tag and its look; tags followed by anything else tell none.
    """
    found: dict[str, str] = {}
    for match in TAG.finditer(text):
        tag = match.group()[1:-1]
        joint = between.match(text, match.end())
        if joint and tag not in found:
            end = _LOOK_END.search(text, joint.end())
            look = _without_and(text[joint.end() : end.start() if end else len(text)])
            if look:
                found[tag] = look
    return found


def _without_and(look: str) -> str:
    look = look.strip(" ,.\t")
    rest = look.removesuffix("and")
    return rest.rstrip(" ,.\t") if rest != look and rest[-1:] in ("", " ", ",", "\t") else look


def shown(prompt: str, known: Iterable[str]) -> list[JsonValue]:
    """Return the known tags of a prompt."""
    names = set(known)
    return [tag for tag in tags_in(prompt) if tag in names]
