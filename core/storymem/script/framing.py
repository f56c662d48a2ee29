"""What a prompt tells once its framing is left out: English words for how a shot is taken, not what it shows."""

from __future__ import annotations

import re

from storymem.text import folded

_WORD = re.compile(r"[^\W_]+")
_FRAMING = frozenset(
    _WORD.findall(
        """
        shot shots angle angles view views close closeup closeups up ups frame framing camera lens perspective pov
        extreme very ultra big super wide medium long full establishing master two single tight loose low high bird
        birds eye dutch overhead aerial top down worm worms point over shoulder reverse profile insert macro tracking
        dolly handheld static still steady drone crane zoom zooms pan pans tilt tilts slow slowly gentle gently push
        pushes pull pulls glide glides move moves in out back left right forward backward away level
        a an the of from to at on and with by behind front side above below as it s just begins ends halfway before
        after
        """
    )
)
#: Without one of these, words such as "in" and "left" say what is seen.
_IS_FRAMING = re.compile(
    r"\b(?:shots?|angles?|views?|close[- ]?ups?|camera|perspective|pov|wide|medium|overhead|aerial)\b"
)
#: At most two words before it, as in "extreme close-up" or "low-angle medium shot".
_OPENING_SIZE = re.compile(
    r"(?:[a-z-]+ ){0,2}?(?:(?P<wide>wide|long|establishing)|(?P<medium>medium|mid))[a-z -]{0,20}?\b(?:shot|view)\b"
    r"|(?:[a-z-]+ ){0,2}?(?P<close_up>close[- ]?up)\b"
)
_CLAUSE = re.compile(r"[^.;:!?\n]+[.;:!?\n]*")
_PART = re.compile(r"[^,]+,?")


def told_content(prompt: str) -> frozenset[str]:
    """Return the words of a prompt but for clauses and parts of them that say only how the shot is taken."""
    kept: list[str] = []
    for clause in _CLAUSE.findall(folded(prompt)):
        if not _only_framing(clause):
            kept += [word for part in _PART.findall(clause) if not _only_framing(part) for word in _WORD.findall(part)]
    return frozenset(_without_lead(kept))


def opening_size(prompt: str) -> str:
    """Return "wide", "medium" or "close-up" if a prompt opens with one of these shot sizes, else an empty string."""
    match = _OPENING_SIZE.match(folded(prompt))
    return next((size for size, found in match.groupdict().items() if found), "").replace("_", "-") if match else ""


def _only_framing(text: str) -> bool:
    words = _WORD.findall(text)
    return bool(words) and bool(_IS_FRAMING.search(text)) and _FRAMING.issuperset(words)


def _without_lead(words: list[str]) -> list[str]:
    """Drop a framing that is no clause of its own ("wide shot of the fox")."""
    for index, word in enumerate(words):
        if word not in _FRAMING:
            lead = " ".join(words[:index])
            return words[index:] if _IS_FRAMING.search(lead) else words
    return words
