"""Who a prompt names, whose look it tells, and how many tokens it takes. Pure text; knows no model.

Looks are compared by their words, so that a prompt may inflect or reorder them. Words are those of languages
that put space between them; in others, such as Chinese and Japanese, a look must stand in the prompt verbatim.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from storymem.values.script import Entity, Shot, StoryScript

#: How many tokens a text takes.
TokenCounter = Callable[[str], int]

#: The share of a look's words that a prompt must repeat.
LOOK_SHARE = 0.6
_PIECE = re.compile(r"[A-Za-z0-9_]+|[^\x00-\x7f]|[^\sA-Za-z0-9_]")
_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have he her his in is it its of on or she that the their they this "
        "to was wearing wears who whose with",
    )
)
_NEGATION = re.compile(r"\b(no|not|without|never|free of)\b[^.;:!?]*$", re.IGNORECASE)


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a multilingual SentencePiece model (UMT5) makes of ``text``.

    An estimate that rather counts too many: a token for every six letters of a word begun, one for every
    punctuation mark, and one for every character outside ASCII.
    """
    return sum(-(-len(piece) // 6) for piece in _PIECE.findall(text))


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same to a reader: in any Unicode form, case and spacing."""
    return _name_form(one) == _name_form(other)


def _name_form(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def mentions(prompt: str, entity: Entity) -> bool:
    """Whether ``prompt`` names ``entity`` as a whole word; names with capitals must match them."""
    return _name_pattern(entity.label).search(prompt) is not None


def shows_look(prompt: str, entity: Entity) -> bool:
    """Whether ``prompt`` tells the look of ``entity``: verbatim, or at least 60 % of its words."""
    if _flat(entity.look) in _flat(prompt):
        return True
    wanted = _content_words(entity.look)
    if not wanted or not entity.look.isascii():
        return False
    said = {_stem(word) for word in _words(prompt)}
    return sum(word in said for word in wanted) >= LOOK_SHARE * len(wanted)


def with_look(prompt: str, entity: Entity) -> str:
    """Return ``prompt`` with the entity's look put before it."""
    stop = "" if entity.look.rstrip().endswith((".", "!", "?", "。")) else "."
    return f"{entity.label}: {entity.look.strip()}{stop} {prompt}"


def missing_looks(script: StoryScript, shot: Shot) -> list[Entity]:
    """Return the entities that a shot lists or names although its prompt does not tell their look."""
    return [
        entity
        for entity in script.entities
        if entity.look
        and (entity.id in shot.entities or mentions(shot.prompt, entity))
        and not shows_look(f"{shot.prompt} {script.style}", entity)
    ]


def negated(text: str, start: int) -> bool:
    """Whether what begins at ``start`` is denied in its clause, as in "no text on the wall"."""
    return _NEGATION.search(text, 0, start) is not None


@lru_cache(maxsize=4096)
def _name_pattern(label: str) -> re.Pattern[str]:
    # Word borders only where the name itself begins or ends with a letter of a spaced script.
    head = r"(?<!\w)" if label[:1].isascii() else ""
    tail = r"(?!\w)" if label[-1:].isascii() else ""
    return re.compile(head + re.escape(label) + tail, 0 if label != label.lower() else re.IGNORECASE)


@lru_cache(maxsize=4096)
def _content_words(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _words(text) if word not in _STOP_WORDS)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _flat(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")
