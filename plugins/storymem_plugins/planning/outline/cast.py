"""Finds who and what a story is about: listed nouns and capitalised names.

English only; in other languages nothing is found and the story is cut without entities. In German, where every noun
has a capital, only those are names that the story calls so ("namens Mira"). Looks are taken from
the story's own words ("a small red fox", "Mira, a young climber", "a keeper named Tomas"); none is made up.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from storymem.script.mentions import mentions
from storymem.values.script import Entity, EntityKind
from storymem_plugins.planning.outline.words import (
    CHARACTERS,
    ENGLISH,
    GERMAN,
    NOT_ADJECTIVES,
    NOT_NAMES,
    OBJECTS,
    PLACES,
)

MAX_ENTITIES = 24
MAX_NAME = 60  #: characters
_DETERMINER = re.compile(
    r"\b(?:a|an|the|his|her|their|its|one|another|two|three|four|five|six|seven|several|many|some)\s+", re.IGNORECASE
)
_WORD = re.compile(r"[A-Za-z]+(?:-[a-z]+)*,?")
_BARE = re.compile(r"\b(?:in|through|into|across|on|at|to)\s+(?P<noun>[a-z]+)\b")
_NAME = re.compile(r"(?<![\w'\u2019-])[A-Z][a-z]+(?:\s+(?:of\s+)?[A-Z][a-z]+)*(?![\w-])")
_APPOSITION = re.compile(r"(?<=[a-z]),\s+(?:a|an|the)\s+(?P<look>[^,.;:!?]{3,120})(?=[,.;:!?])")
_NAMED = re.compile(r"\b(?:a|an|the)\s+(?P<look>[a-z][a-z -]{2,80}?)\s+(?:named|called)\s+(?=[A-Z])", re.IGNORECASE)
_CALLED = re.compile(r"\b(?:namens|heißt|hieß|genannt|Namen)\s+(?P<name>[A-ZÄÖÜ][a-zäöüß]+)")
_PLACE_BEFORE = re.compile(r"\b(?:in|at|to|from|near|towards?|outside|inside|into)\s+$", re.IGNORECASE)
_LISTED = {
    **dict.fromkeys(OBJECTS, EntityKind.OBJECT),
    **dict.fromkeys(PLACES, EntityKind.PLACE),
    **dict.fromkeys(CHARACTERS, EntityKind.CHARACTER),
}
_MAX_ADJECTIVES = 3


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


def shown_in(sentence: str, cast: Sequence[Entity]) -> list[Entity]:
    """Return the entities that a sentence names, in the order of the cast."""
    return [entity for entity in cast if mentions(sentence, entity) or mentions(sentence, _plural(entity))]


def nouns_have_capitals(sentences: Sequence[str]) -> bool:
    """Whether a story is German rather than English, by its function words."""
    words = [word for sentence in sentences for word in re.findall(r"[^\W\d_]+", sentence.lower())]
    return sum(word in GERMAN for word in words) > sum(word in ENGLISH for word in words)


def kind_of(noun: str) -> EntityKind | None:
    """Return what a listed noun, singular or plural, stands for; None if it is not listed."""
    word = noun.lower()
    singulars = (word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word))
    return next((_LISTED[single] for single in singulars if single in _LISTED), None)


def _position(story: str, name: str) -> int:
    match = re.search(rf"\b{re.escape(name)}\b", story, re.IGNORECASE)
    return match.start() if match else len(story)


def _listed_nouns(sentences: Sequence[str]) -> Iterator[Entity]:
    looks: dict[str, str] = {}
    for sentence in sentences:
        plain = _NAMED.sub("", _APPOSITION.sub(",", sentence))
        for noun, look in _noun_phrases(plain):
            looks[noun] = looks.get(noun) or look
        for match in _BARE.finditer(plain):
            if _LISTED.get(match["noun"]) is EntityKind.PLACE:
                looks.setdefault(match["noun"], "")
    singular = {noun for noun in looks if noun in _LISTED}
    for noun, look in looks.items():
        # "dogs" beside "dog" is the same entity as far as names can tell.
        kind = kind_of(noun)
        if kind and (noun in singular or noun.removesuffix("s") not in singular):
            yield Entity(id=noun, kind=kind, look=look or _apposition(noun, sentences))


def _noun_phrases(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield each listed noun after a determiner and at most three adjectives, and its look ("small red fox")."""
    for determiner in _DETERMINER.finditer(sentence):
        words = [word.group() for word in islice(_words_at(sentence, determiner.end()), _MAX_ADJECTIVES + 2)]
        for count, word in enumerate(words[: _MAX_ADJECTIVES + 1]):
            noun = word.strip(",").lower()
            following = words[count + 1].strip(",") if count + 1 < len(words) and not word.endswith(",") else ""
            if kind_of(noun) and not kind_of(following):
                adjectives = " ".join(words[:count])
                yield noun, f"{adjectives} {noun}" if adjectives else ""
                break
            if noun in NOT_ADJECTIVES:
                break


def _words_at(sentence: str, start: int) -> Iterator[re.Match[str]]:
    """Yield words one after another, as long as nothing but a space is between them."""
    while match := _WORD.match(sentence, start):
        yield match
        start = match.end()
        if sentence[start : start + 1] != " ":
            return
        start += 1


def _names(sentences: Sequence[str]) -> Iterator[Entity]:
    """Yield the 24 most frequent capitalised names that come twice, or once in mid-sentence."""
    if nouns_have_capitals(sentences):
        called = dict.fromkeys(match["name"] for sentence in sentences for match in _CALLED.finditer(sentence))
        yield from (Entity(id=name) for name in list(called)[:MAX_ENTITIES])
        return
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
    if len(words) == 1 and kind_of(words[0]):
        return ""
    return " ".join(words)


def _apposition(name: str, sentences: Sequence[str]) -> str:
    """Return "young climber" of "Mira, a young climber, ..." and "keeper" of "a keeper named Mira"."""
    after = re.compile(rf"\b{re.escape(name)}{_APPOSITION.pattern}")
    before = re.compile(rf"{_NAMED.pattern}{re.escape(name)}\b", re.IGNORECASE)
    for sentence in sentences:
        if name in sentence and (match := after.search(sentence) or before.search(sentence)):
            return match["look"].strip()
    return ""


def _plural(entity: Entity) -> Entity:
    return entity.model_copy(update={"name": f"{entity.label}s"})
