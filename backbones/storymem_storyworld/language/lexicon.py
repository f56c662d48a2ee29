"""The words of the storyworld: which words and phrases mean which concept (`words.toml`), with their forms.

A word that is not listed means nothing here and is ignored. Knows nothing about sentences (`understand.py`).
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

_VOWELS = "aeiou"


@cache
def _words() -> dict[str, dict[str, list[str]]]:
    text = files("storymem_storyworld.language").joinpath("words.toml").read_text(encoding="utf-8")
    return {
        section: {name: [" ".join(item.split()) for item in listed.split(",")] for name, listed in table.items()}
        for section, table in tomllib.loads(text).items()
    }


def plural_forms(noun: str) -> list[str]:
    """A noun phrase and its plural."""
    if noun.endswith("s"):
        return [noun]
    if noun.endswith(("x", "ch", "sh")):
        return [noun, noun + "es"]
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return [noun, noun[:-1] + "ies"]
    return [noun, noun + "s"]


def verb_forms(verb: str) -> list[str]:
    """A verb, its regular forms and the irregular ones that are listed."""
    stem = verb.removesuffix("e")
    third = verb + ("es" if verb.endswith(("ch", "sh", "ss", "x", "o")) else "s")
    forms = [verb, third, stem + "ing", stem + "ed"]
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        forms = [verb, verb[:-1] + "ies", verb + "ing", verb[:-1] + "ied"]
    return forms + _words()["irregular"].get(verb, [])


def nouns(concept: str) -> list[str]:
    """All noun phrases of a concept, with plurals."""
    return [form for noun in _words()["nouns"].get(concept, []) for form in plural_forms(noun)]


def verbs(motion: str) -> list[str]:
    """All verb forms of a motion ("walk" stands for both directions)."""
    return [form for verb in _words()["verbs"].get(motion, []) for form in verb_forms(verb)]


def phrases(concept: str) -> list[str]:
    """All fixed phrases of a concept."""
    return _words()["phrases"].get(concept, [])


def colours(name: str) -> list[str]:
    """All words and phrases for a colour."""
    return _words()["colours"][name]


def special(group: str) -> frozenset[str]:
    """A group of words that end or spoil what is said of somebody: "parts", "ends", "silent"."""
    return frozenset(_words()["special"][group])


def ignored() -> list[str]:
    """Phrases that mean nothing although they contain words that would."""
    return _words()["special"]["ignored"]


def leftwards() -> list[str]:
    """Words after a verb of walking that turn it to the left."""
    return _words()["special"]["left"]


def vocabulary() -> frozenset[str]:
    """All words and phrases that mean something."""
    words = _words()
    known = {form for concept in words["nouns"] for form in nouns(concept)}
    known |= {form for motion in words["verbs"] for form in verbs(motion)}
    return frozenset(known.union(*words["phrases"].values(), *words["colours"].values()))
