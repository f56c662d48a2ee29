"""From words to concept tokens: the rules that both `understand` and the tokenizer file apply.

A rule replaces a word or phrase of lower-case text by the token of its concept; whatever no rule knows is
dropped.
"""

from __future__ import annotations

import re
from functools import cache

from storymem_storyworld.language import lexicon
from storymem_storyworld.world.spec import KINDS, MOTIONS, PLACES, PROPS, SIZES, TIMES

PANS = ("pan_left", "pan_right")
TOKENS = (*KINDS, *PLACES, *TIMES, *SIZES, *MOTIONS, *PROPS, *PANS)
PRONOUNS = {"she": "woman", "he": "man"}
_MARK = "\N{SECTION SIGN}"  # tokens are marked while rules run, so that no later rule reads them as words


def _any_of(words: list[str]) -> str:
    ordered = sorted(set(words), key=lambda word: (-len(word), word))
    return "(?:" + "|".join(re.escape(word).replace(r"\ ", r"\s+").replace(r"\-", "-") for word in ordered) + ")"


def _rule(words: list[str], token: str) -> tuple[str, str]:
    return rf"(?<![\w{_MARK}]){_any_of(words)}(?![\w{_MARK}])", f" {_MARK}{token}{_MARK} "


@cache
def rules() -> tuple[tuple[str, str], ...]:
    """(regular expression, replacement) pairs, to be applied in order to lower-case text."""
    walk = _any_of(lexicon.verbs("walk"))
    left = _any_of(lexicon.leftwards())
    dropped = _rule(lexicon.ignored(), "")[0]
    found = [
        (
            rf"(?<![\w{_MARK}]){walk}(?:\s+\w+){{0,2}}?\s+{left}(?![\w{_MARK}])",
            f" {_MARK}walk_left{_MARK} ",
        ),
    ]
    for token in ("close_up", "wide", "medium", *PANS):
        found.append(_rule(lexicon.phrases(token), token))
    found.append((dropped, " "))
    for token in (*KINDS, *PLACES, *PROPS):
        longer = [word for word in lexicon.nouns(token) if " " in word or "-" in word]
        found += [_rule(longer, token)] if longer else []
    for token in MOTIONS:
        if lexicon.phrases(token):
            found.append(_rule(lexicon.phrases(token), token))
    found += [_rule(lexicon.phrases(token), token) for token in TIMES]
    for token in (*KINDS, *PLACES, *PROPS):
        found.append(_rule(lexicon.nouns(token), token))
    for token in MOTIONS:
        words = lexicon.verbs("walk" if token == "walk_right" else token)
        found += [_rule(words, token)] if words else []
    return tuple(found)


def tokens(text: str, pronouns: bool = False) -> list[str]:
    """The concept tokens of a text, in order; with `pronouns` also "she" and "he"."""
    marked = text.lower().replace(_MARK, " ").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    extra = tuple(_rule(lexicon.phrases(word), word) for word in PRONOUNS) if pronouns else ()
    for pattern, token in (*rules(), *extra):
        marked = re.sub(pattern, token, marked)
    return re.findall(rf"{_MARK}(\w+){_MARK}", marked)
