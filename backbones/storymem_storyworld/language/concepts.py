"""From words to concept tokens: the rules that both `understand` and the tokenizer file apply.

A rule replaces a word or phrase of lower-case text by the token of its concept; whatever no rule knows is
dropped.
"""

from __future__ import annotations

import re
from functools import cache

from storymem_storyworld.language import lexicon
from storymem_storyworld.world.colours import COLOURS
from storymem_storyworld.world.spec import HATS, KINDS, MOTIONS, PATTERNS, PLACES, PROPS, SIZES, TIMES

PANS = ("pan_left", "pan_right")
WORN = HATS[1:]
CLOTHES = (*WORN, "scarf", "outfit", "hair")
BARE = ("no_hat", "no_scarf")
#: The last group came last: earlier weights know the others by their numbers.
TOKENS = (*KINDS, *PLACES, *TIMES, *SIZES, *MOTIONS, *PROPS, *PANS, *COLOURS, *CLOTHES, *PATTERNS, *BARE)
PRONOUNS = {"she": "woman", "he": "man"}
_MARK = "\N{SECTION SIGN}"  # tokens are marked while rules run, so that no later rule reads them as words


def _any_of(words: list[str]) -> str:
    ordered = sorted(set(words), key=lambda word: (-len(word), word))
    return "(?:" + "|".join(re.escape(word).replace(r"\ ", r"\s+").replace(r"\-", "-") for word in ordered) + ")"


def _rule(words: list[str], token: str) -> tuple[str, str]:
    return rf"(?<![\w{_MARK}]){_any_of(words)}(?![\w{_MARK}])", f" {_MARK}{token}{_MARK} "


_NO = r"(?:no|not|without|never)(?:\s+(?:wearing|with|wears?))?(?:\s+(?:a|an|any|the|his|her|its|their))?"


def _without(words: list[str], token: str) -> tuple[str, str]:
    """A rule for "without a hat": the thing that is not there, with at most one word before it."""
    marked = f" {_MARK}{token}{_MARK} " if token else " "
    return rf"(?<![\w{_MARK}]){_NO}(?:\s+[\w\-]+)?\s+{_any_of(words)}(?![\w{_MARK}])", marked


def _negations() -> list[tuple[str, str]]:
    """What a text says is not there: hats and scarves have a token for it, characters, things and deeds none."""
    hats = [word for hat in WORN for word in lexicon.nouns(hat)]
    there = [word for token in (*KINDS, *PROPS) for word in lexicon.nouns(token)]
    deeds = [word for token in (*MOTIONS, "walk") for word in lexicon.verbs(token)]
    return [
        _rule(["hatless", "bareheaded", "bare-headed"], "no_hat"),
        _without(hats, "no_hat"),
        _without(lexicon.nouns("scarf"), "no_scarf"),
        _without(there, ""),
        (rf"(?<![\w{_MARK}])(?:not|never|without|n't)\s+{_any_of(deeds)}(?![\w{_MARK}])", " "),
    ]


def _long(words: list[str]) -> list[str]:
    return [word for word in words if " " in word or "-" in word]


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
    found += [_rule(lexicon.phrases(token), token) for token in PATTERNS]
    found += _negations()
    found += [_rule(longer, token) for token in COLOURS if (longer := _long(lexicon.colours(token)))]
    for token in (*KINDS, *PLACES, *PROPS, *CLOTHES):
        longer = _long(lexicon.nouns(token))
        found += [_rule(longer, token)] if longer else []
    for token in MOTIONS:
        if lexicon.phrases(token):
            found.append(_rule(lexicon.phrases(token), token))
    found += [_rule(lexicon.phrases(token), token) for token in TIMES]
    found += [_rule(lexicon.colours(token), token) for token in COLOURS]
    for token in (*KINDS, *PLACES, *PROPS, *CLOTHES):
        found.append(_rule(lexicon.nouns(token), token))
    for token in MOTIONS:
        words = lexicon.verbs("walk" if token == "walk_right" else token)
        found += [_rule(words, token)] if words else []
    return tuple(found)


def marked(text: str, pronouns: bool = False) -> str:
    """Lower-case text with every word or phrase that means something replaced by its token between two marks.

    With `pronouns` also "she" and "he". Words without meaning stay as they are.
    """
    found = text.lower().replace(_MARK, " ").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    extra = tuple(_rule(lexicon.phrases(word), word) for word in PRONOUNS) if pronouns else ()
    for pattern, token in (*rules(), *extra):
        found = re.sub(pattern, token, found)
    return found


def tokens(text: str, pronouns: bool = False) -> list[str]:
    """The concept tokens of a text, in order; see `marked`."""
    return re.findall(rf"{_MARK}(\w+){_MARK}", marked(text, pronouns))


def pieces(text: str) -> list[tuple[str, bool]]:
    """The tokens (True), words and punctuation marks (False) of a text, in order, pronouns included."""
    found = re.finditer(rf"{_MARK}(\w+){_MARK}|[\w'][\w'\-]*|[^\w\s{_MARK}]", marked(text, pronouns=True))
    return [(match[1], True) if match[1] else (match[0], False) for match in found]
