"""What a prompt means in the storyworld: characters and what they do, place, time, shot size, things, camera.

Words that mean nothing here are ignored. `understand` reads one prompt alone; `understand_story` reads the
prompts of a story in order and carries on what is not said again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from storymem_storyworld.language import lexicon
from storymem_storyworld.language.caption import plain_caption
from storymem_storyworld.language.concepts import PANS, PRONOUNS, pieces
from storymem_storyworld.language.looks import LookReader, Piece, ToldLook, colour_word
from storymem_storyworld.world.colours import COLOURS
from storymem_storyworld.world.spec import KINDS, MOTIONS, PLACES, PROPS, SIZES, TIMES

MAX_CAST = 2


@dataclass(frozen=True)
class Concepts:
    """The concepts found in a prompt; what was not found is "" or empty.

    Attributes:
        cast: (kind, motion) of at most two characters in the order in which they are named; motion may be "".
        pan: "left", "right" or "static".
        looks: What is told of the look of each kind that is named, whether or not it is in the cast.
        prop_colours: Colour of each kind of thing, where told.
        left_out: What was said and means nothing here, as phrases.
    """

    cast: tuple[tuple[str, str], ...] = ()
    place: str = ""
    time: str = ""
    size: str = ""
    props: tuple[str, ...] = ()
    pan: str = "static"
    looks: dict[str, ToldLook] = field(default_factory=dict)
    prop_colours: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = field(default=(), compare=False)

    def caption(self) -> str:
        """The plain sentence for what was found."""
        cast = [(kind, motion, self.look_of(kind)) for kind, motion in self.cast]
        props = [(self.prop_colours.get(prop, ""), prop) for prop in self.props]
        return plain_caption(self.size, cast, self.place, self.time, props, self.pan)

    def look_of(self, kind: str) -> ToldLook:
        """What is told of a kind's look."""
        return self.looks.get(kind, ToldLook())

    def completed(self) -> Concepts:
        """With what a plain sentence always tells: whoever does nothing stands, in a medium shot by day."""
        cast = tuple((kind, motion or "stand") for kind, motion in self.cast)
        return replace(self, cast=cast, time=self.time or "day", size=self.size or "medium")


def _first(found: list[str], among: tuple[str, ...]) -> str:
    return next((token for token in found if token in among), "")


def _cast(found: list[str]) -> tuple[tuple[str, str], ...]:
    """Characters with the first motion told after each, or (for the first) before it."""
    motions: dict[str, str] = {}
    speaker, early = "", ""
    for token in found:
        kind = PRONOUNS.get(token, token)
        if token in PRONOUNS:
            speaker = speaker or kind if kind not in motions else kind
        elif token in KINDS:
            speaker = token
            motions.setdefault(token, "")
        elif token in MOTIONS:
            early = early or token
            if speaker in motions and not motions[speaker]:
                motions[speaker] = token
    if not motions and speaker:
        motions[speaker] = early
    cast = list(motions.items())[:MAX_CAST]
    if cast and not any(motion for _, motion in cast):
        cast[0] = (cast[0][0], early)
    if len(cast) == MAX_CAST and not cast[0][1]:  # a verb after two names is told of both
        cast[0] = (cast[0][0], cast[1][1])
    return tuple(cast)


def _left_out(found: list[Piece], lost: Sequence[str]) -> tuple[str, ...]:
    """Words without meaning, those that stand together as one phrase, with colours that nothing was found for."""
    phrases: list[list[str]] = [[]]
    missing = list(lost)
    for piece, known in found:
        word = colour_word(piece) if known and piece in COLOURS else piece
        if known and piece in missing:
            missing.remove(piece)
            phrases.append([word])
        elif not known and (piece[0].isalnum() and piece not in lexicon.special("silent") | lexicon.special("ends")):
            phrases[-1].append(word)
        elif not known and piece == "-":
            continue
        else:
            phrases.append([])
    return tuple(dict.fromkeys(" ".join(words) for words in phrases if words))


def understand(prompt: str) -> Concepts:
    """Read a prompt; never fails, whatever the text."""
    said = pieces(prompt)
    found = [piece for piece, known in said if known]
    props = tuple(dict.fromkeys(token for token in found if token in PROPS))[:1]
    read = LookReader(said)
    return Concepts(
        cast=_cast(found),
        place=_first(found, PLACES),
        time=_first(found, TIMES),
        size=_first(found, SIZES),
        props=props,
        pan=_first(found, PANS).removeprefix("pan_") or "static",
        looks={kind: told for kind, told in read.looks.items() if told.items()},
        prop_colours={prop: read.props[prop] for prop in props if prop in read.props},
        left_out=_left_out(said, read.lost),
    )


def understand_story(prompts: Sequence[str]) -> list[Concepts]:
    """Read prompts in story order: who, where and when stay as they were until a prompt names others."""
    read: list[Concepts] = []
    for prompt in prompts:
        concepts = understand(prompt)
        if read:
            last = read[-1]
            cast = concepts.cast or tuple((kind, "") for kind, _ in last.cast)
            place, time = concepts.place or last.place, concepts.time or last.time
            looks = {kind: concepts.look_of(kind).completed_by(last.look_of(kind)) for kind, _ in cast}
            told = {kind: look for kind, look in looks.items() if look.items()}
            concepts = replace(
                concepts, cast=cast, place=place, time=time, looks={**last.looks, **concepts.looks, **told}
            )
        read.append(concepts)
    return read
