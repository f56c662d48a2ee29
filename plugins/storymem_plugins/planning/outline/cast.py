"""Finds who and what a story is about: listed nouns, capitalised names, and things it comes back to.

English only; in other languages nothing is found and the story is cut without entities. Looks are taken from
the story's own words ("a small red fox", "Mira, a young climber"); none is made up.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from storymem.script.mentions import mentions
from storymem.script.models import Entity, EntityKind
from storymem_plugins.planning.outline.words import CHARACTERS, NOT_NAMES, OBJECTS, PLACES

MAX_ENTITIES = 24
MAX_NAME = 60  #: characters
_NOUN = re.compile(
    r"\b(?P<article>a|an|the|his|her|their|its|one|another)\s+"
    r"(?P<adjectives>(?:[a-z]+(?:-[a-z]+)*,?\s+){0,3}?)(?P<noun>[a-z]+(?:-[a-z]+)?)\b",
    re.IGNORECASE,
)
_BARE = re.compile(r"\b(?:in|through|into|across|on|at|to)\s+(?P<noun>[a-z]+)\b")
_NAME = re.compile(r"(?<![\w'\u2019-])[A-Z][a-z]+(?:\s+(?:of\s+)?[A-Z][a-z]+)*(?![\w-])")
_APPOSITION = re.compile(r"(?<=[a-z]),\s+(?:a|an|the)\s+(?P<look>[^,.;:!?]{3,120})(?=[,.;:!?])")
_PLACE_BEFORE = re.compile(r"\b(?:in|at|to|from|near|towards?|outside|inside|into)\s+$", re.IGNORECASE)
_LISTED = {
    **dict.fromkeys(OBJECTS, EntityKind.OBJECT),
    **dict.fromkeys(PLACES, EntityKind.PLACE),
    **dict.fromkeys(CHARACTERS, EntityKind.CHARACTER),
}
_NOT_ADJECTIVES = frozenset(
    re.findall(r"\w+", "of in on at to and or with who that by as is was were are had has for into from")
)


def find_cast(sentences: Sequence[str], given: Sequence[Entity] = ()) -> list[Entity]:
    """Return the given entities, then those found, by first appearance; at most 24 found ones."""
    found: dict[str, Entity] = {}
    for entity in [*_names(sentences), *_listed_nouns(sentences)]:
        if entity.id not in found:
            found[entity.id] = entity
    taken = {word for entity in given for word in (entity.id.lower(), entity.label.lower())}
    fresh = [entity for key, entity in found.items() if key.lower() not in taken]
    story = " ".join(sentences)
    fresh.sort(key=lambda entity: _position(story, entity.label))
    return [*given, *fresh[:MAX_ENTITIES]]


def _position(story: str, name: str) -> int:
    match = re.search(rf"\b{re.escape(name)}\b", story, re.IGNORECASE)
    return match.start() if match else len(story)


def _listed_nouns(sentences: Sequence[str]) -> Iterator[Entity]:
    looks: dict[str, str] = {}
    for sentence in sentences:
        for match in _noun_phrases(_APPOSITION.sub(",", sentence)):
            noun = match["noun"].lower()
            looks[noun] = looks.get(noun) or _look(match["adjectives"], noun)
        for match in _BARE.finditer(sentence):
            if _LISTED.get(match["noun"]) is EntityKind.PLACE:
                looks.setdefault(match["noun"], "")
    for noun, look in looks.items():
        yield Entity(id=noun, kind=_LISTED[noun], look=look)


def _noun_phrases(sentence: str) -> Iterator[re.Match[str]]:
    """Yield determiner, adjectives and a listed noun; the shortest such phrase after each determiner."""
    start = 0
    while match := _NOUN.search(sentence, start):
        longer = next((m for m in _phrases_at(sentence, match.start()) if m["noun"].lower() in _LISTED), None)
        if longer:
            yield longer
        start = longer.end() if longer else match.end("article")


def _phrases_at(sentence: str, start: int) -> Iterator[re.Match[str]]:
    for words in range(4):
        pattern = _NOUN.pattern.replace("{0,3}?", f"{{{words}}}")
        if match := re.compile(pattern, re.IGNORECASE).match(sentence, start):
            if words and match["adjectives"].split()[-1].lower().strip(",") in _NOT_ADJECTIVES:
                return
            following = sentence[match.end() :].split(maxsplit=1)
            compound = following and following[0].strip(",.;").lower() in _LISTED
            if not (compound and match["noun"].lower() in _LISTED and sentence[match.end()] == " "):
                yield match


def _look(adjectives: str, noun: str) -> str:
    words = [word for word in adjectives.split() if word.strip(",").lower() not in _NOT_ADJECTIVES]
    return f"{' '.join(words)} {noun}" if words else ""


def _names(sentences: Sequence[str]) -> Iterator[Entity]:
    """Yield the 24 most frequent capitalised names that come twice, or once in mid-sentence."""
    total: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    located: Counter[str] = Counter()
    for sentence in sentences:
        for match in _NAME.finditer(sentence):
            name = _trimmed(match.group())
            if name:
                total[name] += 1
                inside[name] += match.start() > 0 or name != match.group()
                located[name] += bool(_PLACE_BEFORE.search(sentence[: match.start()]))
    lower = {word for sentence in sentences for word in re.findall(r"\b[a-z]+\b", sentence)}
    names = [n for n in total if (inside[n] or total[n] > 1) and n.lower() not in lower and len(n) <= MAX_NAME]
    for name in sorted(names, key=lambda name: -total[name])[:MAX_ENTITIES]:
        kind = EntityKind.PLACE if located[name] * 2 > total[name] else EntityKind.CHARACTER
        yield Entity(id=name, kind=kind, look=_apposition(name, sentences))


def _trimmed(name: str) -> str:
    """Drop leading words that only stand at the start of a sentence."""
    words = name.split()
    while words and words[0].lower() in NOT_NAMES:
        words = words[1:]
    if len(words) == 1 and words[0].lower() in _LISTED:
        return ""
    return " ".join(words)


def _apposition(name: str, sentences: Sequence[str]) -> str:
    """Return "young climber with a braid" of "Mira, a young climber with a braid, ..."."""
    pattern = re.compile(rf"\b{re.escape(name)},\s+(?:a|an|the)\s+(?P<look>[^,.;:!?]{{3,120}})[,.;:!?]")
    match = next(filter(None, (pattern.search(sentence) for sentence in sentences)), None)
    return match["look"].strip() if match else ""


def shown_in(sentence: str, cast: Sequence[Entity]) -> list[Entity]:
    """Return the entities that a sentence names, in the order of the cast."""
    return [entity for entity in cast if mentions(sentence, entity) or mentions(sentence, _plural(entity))]


def _plural(entity: Entity) -> Entity:
    return entity.model_copy(update={"name": f"{entity.label}s"})
