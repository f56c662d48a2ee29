"""Whom a pronoun means: the latest of those who fit. English; knows names only as "somebody".

A guess by the nearest fitting antecedent, as a reader makes it; it knows no grammar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from storymem.values.script import Entity, EntityKind
from storymem_plugins.planning.outline.words import CHARACTERS, IMPERSONAL, MEN, PEOPLE, WOMEN

_PRONOUNS = {"he": "m", "him": "m", "his": "m", "she": "f", "her": "f", "hers": "f", "it": "n", "its": "n"}
_PLURAL = frozenset({"they", "them", "their"})
_MOST = 3
_OPENING = re.compile(
    r"^(?P<lead>and |but |so |then |now |there,? )?(?P<word>he|she|it|they)\b(?P<rest>\s+(?P<verb>\w+).*)$",
    re.IGNORECASE | re.DOTALL,
)


def meant_by(text: str, shown: Sequence[Entity], recent: Sequence[Entity]) -> list[Entity]:
    """Return the characters that a sentence's pronouns stand for.

    Args:
        text: The sentence.
        shown: Characters that it names.
        recent: Characters of the sentences before, latest first.
    """
    words = re.findall(r"[a-z]+", text.lower())
    if _PLURAL & set(words):
        return [] if shown else list(recent[:_MOST])
    opening = _OPENING.match(text)
    if opening and opening["word"].lower() == "it" and opening["verb"].lower() in IMPERSONAL:
        words.remove("it")
    found: list[Entity] = []
    for gender in dict.fromkeys(_PRONOUNS[word] for word in words if word in _PRONOUNS):
        best = max(recent, key=lambda entity: _fit(entity, gender), default=None)
        named = max((_fit(entity, gender) for entity in shown), default=0)
        if best is not None and best not in found and _fit(best, gender) > named:
            found.append(best)
    return found


def named_opening(text: str, meant: Sequence[Entity]) -> tuple[str, bool]:
    """Return the sentence with the pronoun that opens it replaced by whom it means, and whether it was."""
    opening = _OPENING.match(text)
    if not opening or not meant or (opening["word"].lower() == "it" and opening["verb"].lower() in IMPERSONAL):
        return text, False
    word = opening["word"].lower()
    subjects = list(meant) if word == "they" else [e for e in meant if _fit(e, _PRONOUNS[word])][:1]
    if not subjects:
        return text, False
    names = [with_article(entity) for entity in subjects]
    subject = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{subject[0].upper()}{subject[1:]}{opening['rest']}", True


def with_article(entity: Entity) -> str:
    """Return how a sentence names an entity: names as they are, nouns with "the"."""
    return entity.label if entity.label != entity.label.lower() else f"the {entity.label}"


def _fit(entity: Entity, gender: str) -> int:
    """Return how well a character fits a pronoun, 0 for not at all."""
    if entity.kind is not EntityKind.CHARACTER:
        return 0
    words = set(re.findall(r"[a-z]+", f"{entity.label} {entity.look}".lower()))
    women, men = bool(words & WOMEN), bool(words & MEN)
    animal = bool(words & (CHARACTERS - PEOPLE)) and not words & PEOPLE
    if gender == "n":
        return 3 if animal else 0
    if women or men:
        return 3 if (gender == "f") is women else 0
    return 1 if animal else 2
