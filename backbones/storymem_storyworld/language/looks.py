"""What a text tells of looks: which colours, clothes and patterns are whose.

An adjective belongs to the next noun of its phrase ("the red fox", "a white scarf"), clothes to the character named
last, or to the next one if none has been named yet. Nothing here knows about motions or places.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from storymem_storyworld.language import lexicon
from storymem_storyworld.language.concepts import BARE, PRONOUNS, WORN
from storymem_storyworld.world.colours import COLOURS, colour_name
from storymem_storyworld.world.sample import sample_look
from storymem_storyworld.world.spec import KINDS, PATTERNS, PEOPLE, PROPS, Actor, Look

_HAT_WORDS = {"cap": "cap", "top_hat": "top hat", "beanie": "beanie"}
_PATTERN_WORDS = {"plain": "unpatterned", "stripes": "striped", "dots": "dotted"}
_PUNCTUATION = frozenset('.,;:!?()"')
_ADJECTIVE_REACH = (
    2  # words without meaning that may stand between an adjective and its noun: "white woollen winter scarf"
)

Piece = tuple[str, bool]
"""A token (True), or a word or punctuation mark (False), see `concepts.pieces`."""


@dataclass(frozen=True)
class ToldLook:
    """What is told of a character's look; "" where nothing is.

    Attributes:
        coat, outfit, hat_colour, scarf_colour: Names of colours.
        pattern: One of PATTERNS.
        hat: One of HATS, "none" if the text says that there is none.
        scarf: "worn" or "none".
    """

    coat: str = ""
    outfit: str = ""
    pattern: str = ""
    hat: str = ""
    hat_colour: str = ""
    scarf: str = ""
    scarf_colour: str = ""

    def completed_by(self, other: ToldLook) -> ToldLook:
        """With what another text tells where this one tells nothing, unless it would contradict."""
        both = replace(self, **{name: value for name, value in other.items() if not getattr(self, name)})
        if self.hat and self.hat != other.hat:
            both = replace(both, hat_colour=self.hat_colour)
        return replace(both, scarf_colour="") if both.scarf == "none" else both

    def items(self) -> list[tuple[str, str]]:
        """Attributes that are told, with their values."""
        return [(item.name, value) for item in fields(self) if (value := getattr(self, item.name))]


ATTRIBUTES = tuple(item.name for item in fields(ToldLook))
COLOUR_ATTRIBUTES = ("coat", "outfit", "hat_colour", "scarf_colour")


def true_look(look: Look) -> ToldLook:
    """Everything that can be told of a look."""
    hat, scarf = look.hat != "none", look.scarf
    return ToldLook(
        colour_name(look.coat),
        colour_name(look.outfit),
        look.pattern,
        look.hat,
        colour_name(look.hat_colour) if hat else "",
        "worn" if scarf else "none",
        colour_name(look.scarf_colour) if scarf else "",
    )


def only(told: ToldLook, names: Iterable[str]) -> ToldLook:
    """Those of the attributes; the colour of what is worn tells that it is worn."""
    kept = set(names)
    kept |= {worn for worn in ("hat", "scarf") if f"{worn}_colour" in kept}
    return ToldLook(**{name: value for name, value in told.items() if name in kept})


def changed_look(rng: random.Random, look: Look) -> tuple[Look, tuple[str, ...]]:
    """A look of which one to three attributes are others now, and those that a text would tell otherwise."""
    fresh = sample_look(rng, look.kind)
    names = rng.sample(ATTRIBUTES, rng.choice((1, 1, 2, 3)))
    new = replace(look, **{name: getattr(fresh, name) for name in names})
    now, before = true_look(new), true_look(look)
    return new, tuple(name for name in ATTRIBUTES if getattr(now, name) != getattr(before, name))


def told_in_part(rng: random.Random, actor: Actor, share: float) -> ToldLook:
    """What is new of a character's look, which nothing but the text can tell, and of the rest this share."""
    return only(true_look(actor.look), [name for name in ATTRIBUTES if name in actor.changed or rng.random() < share])


def look_tokens(kind: str, told: ToldLook) -> list[str]:
    """A character and its look as tokens, in the order of `look_words`."""
    before = [told.coat, "hair" if kind in PEOPLE else ""] if told.coat else []
    outfit = [told.outfit, told.pattern, "outfit"] if told.outfit or told.pattern else []
    hat = ["no_hat"] if told.hat == "none" else [told.hat_colour, told.hat]
    scarf = ["no_scarf"] if told.scarf == "none" else [told.scarf_colour, "scarf" if told.scarf else ""]
    return [token for token in (*before, kind, *outfit, *hat, *scarf) if token]


def look_words(kind: str, told: ToldLook) -> str:
    """A character and its look in plain words, such as "red fox in blue striped outfit with white scarf"."""
    coat = f"{colour_word(told.coat)}-haired" if told.coat and kind in PEOPLE else colour_word(told.coat)
    words = [coat, kind]
    if told.outfit or told.pattern:
        words += ["in", colour_word(told.outfit), _PATTERN_WORDS.get(told.pattern, ""), "outfit"]
    if told.hat:
        words += ["without hat"] if told.hat == "none" else ["with", colour_word(told.hat_colour), _HAT_WORDS[told.hat]]
    if told.scarf:
        words += ["without scarf"] if told.scarf == "none" else ["with", colour_word(told.scarf_colour), "scarf"]
    return " ".join(word for word in words if word)


def colour_word(name: str) -> str:
    """A colour's name as people write it; "" for none."""
    return "sky-blue" if name == "sky" else name.replace("_", " ")


@dataclass
class _Adjectives:
    """The colour and the pattern that wait for their noun, and how many words ago."""

    colour: str = ""
    pattern: str = ""
    since: int = 0

    def take(self) -> tuple[str, str]:
        """Colour and pattern, which do not wait any longer."""
        found = self.colour, self.pattern
        self.__init__()  # type: ignore[misc]
        return found


class LookReader:
    """Reads the looks of one text.

    Attributes:
        looks: By kind of character, in the order in which they are named.
        props: Colour by kind of thing.
        lost: Colours, patterns and clothes that nothing in the text could be found for, as their tokens.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        self.looks: dict[str, ToldLook] = {}
        self.props: dict[str, str] = {}
        self.lost: list[str] = []
        self._pieces = pieces
        self._waiting = _Adjectives()
        self._held = ToldLook()  # worn by whoever is named next
        self._named = [token for token, known in pieces if known and token in KINDS]
        self._speaker = ""
        for at, (piece, known) in enumerate(pieces):
            (self._token if known else self._word)(piece, at)
        self._end(len(pieces))

    def _token(self, token: str, at: int) -> None:
        if token in COLOURS:
            self._waiting.colour = self._waiting.colour or token
        elif token in PATTERNS:
            self._waiting.pattern = self._waiting.pattern or token
        elif token in KINDS:
            self._name(token)
        elif token in PRONOUNS:
            self._pronoun(PRONOUNS[token], at)
        elif token in PROPS:
            colour, pattern = self._waiting.take()
            self._lose("", pattern)
            if colour:
                self.props.setdefault(token, colour)
        elif token in (*WORN, *BARE, "scarf", "outfit", "hair"):
            self._dress(token, at)
        else:
            self._end(at)

    def _word(self, word: str, at: int) -> None:
        if word in lexicon.special("parts"):
            self._lose(*self._waiting.take())
        elif word in _PUNCTUATION or word in lexicon.special("ends"):
            if not self._more_adjectives(at):
                self._end(at)
        elif word not in ("and", "-"):
            self._waiting.since += 1
            if self._waiting.since > _ADJECTIVE_REACH:
                self._lose(*self._waiting.take())

    def _more_adjectives(self, at: int) -> bool:
        """Whether a comma stands between two adjectives."""
        follows = self._pieces[at + 1] if at + 1 < len(self._pieces) else ("", False)
        return self._pieces[at][0] == "," and follows[1] and follows[0] in (*COLOURS, *PATTERNS)

    def _end(self, at: int) -> None:
        """The phrase ends before piece `at`: "the man in red" wears it, any other adjective has no noun."""
        colour, pattern = self._waiting.take()
        before = self._pieces[at - 2][0] if at > 1 else ""
        if colour and self._pieces[at - 1][0] == colour and before in ("in", "wearing", "wears") and self._speaker:
            self._tell(ToldLook(outfit=colour))
        else:
            self._lose(colour, pattern)

    def _lose(self, colour: str, pattern: str) -> None:
        self.lost += [word for word in (colour, pattern) if word]

    def _name(self, kind: str) -> None:
        colour, pattern = self._waiting.take()
        self._speaker = kind
        self.looks.setdefault(kind, ToldLook())
        told = ToldLook(outfit=colour, pattern=pattern) if kind in PEOPLE else ToldLook(coat=colour, pattern=pattern)
        self._tell(told)
        self._tell(self._held)
        self._held = ToldLook()

    def _pronoun(self, kind: str, at: int) -> None:
        """Take "she" for a woman only where the text names nobody; otherwise for one who was named, or the last one."""
        self._end(at)
        if not self._named:
            self._speaker = kind
            self.looks.setdefault(kind, ToldLook())
        elif kind in self.looks:
            self._speaker = kind

    def _dress(self, token: str, at: int) -> None:
        colour, pattern = self._waiting.take()
        if token == "outfit":
            told = ToldLook(outfit=colour, pattern=pattern)
        else:
            self._lose("", pattern)
            told = _worn(token, colour)
        if token == "hair" and at + 1 < len(self._pieces) and self._pieces[at + 1][0] in KINDS:
            self._held = self._held.completed_by(told)  # "red-haired girl"
        else:
            self._tell(told)

    def _tell(self, told: ToldLook) -> None:
        if self._speaker:
            self.looks[self._speaker] = self.looks[self._speaker].completed_by(told)
        else:
            self._held = self._held.completed_by(told)


def _worn(token: str, colour: str) -> ToldLook:
    """What one piece of clothing tells; hair is of the coat's colour."""
    if token == "hair":
        return ToldLook(coat=colour)
    if token in BARE:
        return ToldLook(hat="none") if token == "no_hat" else ToldLook(scarf="none")
    if token == "scarf":
        return ToldLook(scarf="worn", scarf_colour=colour)
    return ToldLook(hat=token, hat_colour=colour)
