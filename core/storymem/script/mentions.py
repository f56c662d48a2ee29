"""Who a prompt names, whose look it tells, and how many tokens it takes. Pure text; knows no model.

Looks are compared by their words, so that a prompt may inflect or reorder them. In scripts that put no space
between words (Chinese, Japanese, Thai, ...) pairs of characters take their place. Text is compared without case
and whatever its Unicode form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import takewhile

from storymem.text import folded
from storymem.values.script import Entity, Shot, StoryScript

#: How many tokens a text takes.
TokenCounter = Callable[[str], int]

#: The share of a look's words that a prompt must repeat.
LOOK_SHARE = 0.6
_PIECE = re.compile(r"[A-Za-z0-9_]+|[^\x00-\x7f]|[^\sA-Za-z0-9_]")
# Scripts without spaces between words, and Hangul, whose words carry their particles.
_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u3005-\u3007\u3041-\u3096\u30a1-\u30fa"
    "\u30fc\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48f\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNSPACED}]+")
_BETWEEN_UNSPACED = re.compile(f"(?<=[{_UNSPACED}])[\\s、，,·]+(?=[{_UNSPACED}])")  # noqa: RUF001 - their commas
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have he her his in is it its of on or she that the their they this "
        "to was wearing wears who whose with",
    )
)
_NEGATION = re.compile(r"\b(no|not|without|never|free of)\b", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[.;:!?]")
#: The share of a word that its inflected form keeps, in languages other than English.
_STEM_SHARE = 0.6


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a multilingual SentencePiece model (UMT5) makes of ``text``.

    An estimate that rather counts too many: a token for every six letters of a word begun, one for every
    punctuation mark, and one for every character outside ASCII.
    """
    return sum(-(-len(piece) // 6) for piece in _PIECE.findall(text))


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same to a reader: in any Unicode form, case and spacing."""
    return folded(" ".join(one.split())) == folded(" ".join(other.split()))


def mentions(prompt: str, entity: Entity) -> bool:
    """Whether ``prompt`` names ``entity`` as a whole word; names with capitals must match them."""
    return _name_pattern(entity.label).search(_unified(prompt)) is not None


def shows_look(prompt: str, entity: Entity) -> bool:
    """Whether ``prompt`` tells the look of ``entity``: verbatim, or at least 60 % of its words or character pairs."""
    if _flat(entity.look) in _flat(prompt):
        return True
    wanted = _parts(entity.look)
    if not wanted:
        return False
    said = _parts(prompt)
    inflected = [] if entity.look.isascii() else [part for part in said if not _IS_UNSPACED.match(part)]
    told = sum(part in said or any(_same_stem(part, word) for word in inflected) for part in wanted)
    return told >= LOOK_SHARE * len(wanted)


def with_look(prompt: str, entity: Entity) -> str:
    """Return ``prompt`` with the entity's look put before it."""
    look = entity.look.rstrip()
    stop = "" if look.endswith((".", "!", "?", "。")) else "。" if _IS_UNSPACED.match(look[-1:]) else "."
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
    clause = _CLAUSE_END.split(text[:start])[-1]
    return _NEGATION.search(clause) is not None


@lru_cache(maxsize=4096)
def _name_pattern(label: str) -> re.Pattern[str]:
    # Word borders only where the name itself begins or ends with a letter of a spaced script.
    label = _unified(label)
    head = "" if _IS_UNSPACED.match(label[:1]) else r"(?<!\w)"
    tail = "" if _IS_UNSPACED.match(label[-1:]) else r"(?!\w)"
    return re.compile(head + re.escape(label) + tail, 0 if label != label.lower() else re.IGNORECASE)


@lru_cache(maxsize=4096)
def _parts(text: str) -> frozenset[str]:
    """Return the stems of a text's content words, and each pair of neighbours in its runs without spaces."""
    plain = folded(text)
    words = {_stem(word) for word in _WORD.findall(plain) if word not in _STOP_WORDS}
    runs = _RUN.findall(plain)
    return frozenset(words.union(*(_pairs(run) for run in runs)))


def _pairs(run: str) -> set[str]:
    return {run[i : i + 2] for i in range(len(run) - 1)} or {run}


def _same_stem(one: str, other: str) -> bool:
    """Whether two words begin alike for most of the longer one, as inflected forms do."""
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return common >= 3 and common >= _STEM_SHARE * max(len(one), len(other))


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _flat(text: str) -> str:
    """Return text for a comparison word for word; punctuation at the end, and spaces in unspaced scripts, are none."""
    return _BETWEEN_UNSPACED.sub("", " ".join(folded(text).split())).rstrip(".。 ")


def _unified(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
