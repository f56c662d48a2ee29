"""Splits a written story into sentences, with the places where its author began something new."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_BREAK = re.compile(r"^\s*(?:[*#=~-]\s*){3,}$")
_HEADING = re.compile(r"^\s*(?:#{1,6}\s+(?P<marked>.+?)\s*#*|(?P<plain>(?:chapter|scene|act|part)\b.{0,80}))\s*$", re.I)
_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+(?=[\"'“‘(]?[^\W_a-z])|(?<=[。！？])")  # noqa: RUF001 - CJK full stops
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Jr|Sr|vs|etc|[A-Z])\.$")
_QUOTED = re.compile(r"[\"“][^\"“”]*[\"”]")
_SPEECH = re.compile(
    r"^[\s,.!?-]*(?:said|says|asked|asks|replied|replies|answered|answers|whispered|whispers|shouted|shouts|cried|cries)"
    r"\s+(?P<who>\w[^,.;:!?]{0,40})",
    re.I,
)
_TITLE_MARK = re.compile(r"^\s*(?:title|titel|titre|t[ií]tulo|titolo)\s*:\s*(?P<title>\S.*)$", re.I)
_BYLINE = re.compile(r"^\s*(?:by|von|par|por|di)\s+[^.!?]{2,60}$", re.I)
_RULE = re.compile(r"^\s*[=~_-]{3,}\s*$")
_ENDS = re.compile(r"[.!?…。！？:;,][\"'”’)]*$")  # noqa: RUF001 - CJK full stops
_SMALL = frozenset(
    "a an and as at by for from in of on or the to with der die das und im von la le les de el y".split()  # noqa: SIM905
)
_TITLE_WORDS = 12  #: at most
MAX_SENTENCE = 1000  #: characters; what is longer is no sentence


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence.

    Attributes:
        text: The sentence, without what is spoken in it.
        opens: Whether the author began a new part here: a heading, or a line of stars.
        title: The heading above it, or empty.
    """

    text: str
    opens: bool = False
    title: str = ""


def split_title(text: str) -> tuple[str, str]:
    """Return the title that a text begins with, empty if there is none, and the rest without byline.

    A title is a first line that ends like no sentence and stands apart: marked (``Title: ...``), underlined,
    followed by a blank line, or written with capitals.
    """
    lines = text.replace("\r\n", "\n").strip("\ufeff\n ").split("\n")
    first, rest = lines[0].strip(), lines[1:]
    marked = _TITLE_MARK.match(first)
    if marked:
        return _unquoted(marked["title"]), _body(rest)
    if _HEADING.match(first) or not any(line.strip() for line in rest) or not _like_title(first):
        return "", text
    apart = not rest[0].strip() or _RULE.match(rest[0]) or _BYLINE.match(rest[0])
    capitals = all(w[0].isupper() or w.lower() in _SMALL for w in re.findall(r"[^\W\d_]+", first))
    return (_unquoted(first), _body(rest)) if apart or capitals else ("", text)


def _like_title(line: str) -> bool:
    return len(line.split()) <= _TITLE_WORDS and not _ENDS.search(line.strip("\"'“”„ "))


def _body(lines: list[str]) -> str:
    """Return what follows a title: without the line under it and without byline."""
    while lines and (not lines[0].strip() or _RULE.match(lines[0]) or _BYLINE.match(lines[0])):
        lines = lines[1:]
    return "\n".join(lines)


def _unquoted(title: str) -> str:
    return title.strip().strip("\"'“”„#*_ ").strip()


def split_story(text: str) -> list[Sentence]:
    """Return the story's sentences; empty if the text has none.

    What is spoken is left out, unless the text is nothing but speech.
    """
    return _split(text, _without_speech) or _split(text, _without_quotes)


def _split(text: str, told: Callable[[str], str]) -> list[Sentence]:
    found: list[Sentence] = []
    opens, title = False, ""
    for paragraph in _paragraphs(text):
        heading = _HEADING.match(paragraph)
        if heading or _BREAK.match(paragraph):
            opens, title = True, (heading["marked"] or heading["plain"]).strip() if heading else ""
            continue
        for sentence in _sentences(paragraph):
            # No prompt takes more than its beginning, and the cost of reading on would grow with its square.
            if silent := told(sentence[:MAX_SENTENCE]):
                found.append(Sentence(silent, opens, title))
                opens, title = False, ""
    return found


def _paragraphs(text: str) -> list[str]:
    """Return paragraphs; headings and breaks stand alone even without blank lines around them."""
    paragraphs: list[list[str]] = [[]]
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            paragraphs.append([])
        elif _BREAK.match(line) or _HEADING.match(line):
            paragraphs += [[line], []]
        else:
            paragraphs[-1].append(line)
    return [" ".join(" ".join(lines).split()) for lines in paragraphs if lines]


def _sentences(paragraph: str) -> list[str]:
    parts: list[str] = []
    for piece in _END.split(paragraph):
        if parts and _ABBREVIATION.search(parts[-1]):
            parts[-1] += f" {piece}"
        elif piece and piece.strip():
            parts.append(piece.strip())
    return parts


def _without_quotes(sentence: str) -> str:
    bare = re.sub(r"[\"\u201c\u201d]", "", sentence).strip()
    return bare if re.search(r"\w", bare) else ""


def _without_speech(sentence: str) -> str:
    """Return what is seen: speech is left out, and who spoke is said to speak."""
    if not _QUOTED.search(sentence):
        return sentence.strip(' "“”')
    rest = " ".join(_QUOTED.sub(" ", sentence).split())
    if speech := _SPEECH.match(rest):
        who = speech["who"].strip()
        rest = f"{who[0].upper()}{who[1:]} speaks{rest[speech.end() :]}"
    rest = rest.strip(" ,;:-")
    return rest if re.search(r"\w", rest) else ""
