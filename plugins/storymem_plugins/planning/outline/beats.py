"""From sentences to beats: what happens, to whom, where; and which beats belong to one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storymem.values.script import Entity, EntityKind
from storymem_plugins.planning.outline.cast import shown_in
from storymem_plugins.planning.outline.pronouns import meant_by, named_opening
from storymem_plugins.planning.outline.sentences import Sentence
from storymem_plugins.planning.outline.words import TIME_JUMPS

_REMEMBERED = 6  #: characters that a pronoun may still mean


@dataclass(frozen=True, slots=True)
class Beat:
    """One thing that happens.

    Attributes:
        text: The sentence, its leading pronoun replaced by who is meant.
        cast: Who and what is seen, but for the place.
        place: Where, if the story has said so by now.
        opens: Whether a new scene begins here.
        flows: Whether the author stays with the one acting before ("then", "she").
        title: Heading above it.
        recent: Characters a later pronoun may mean, latest first.
    """

    text: str
    cast: tuple[Entity, ...]
    place: Entity | None
    opens: bool
    flows: bool
    title: str = ""
    recent: tuple[Entity, ...] = ()


def find_beats(sentences: Sequence[Sentence], cast: Sequence[Entity]) -> list[Beat]:
    """Return one beat for each sentence; places and those acting carry over until others are named."""
    beats: list[Beat] = []
    for sentence in sentences:
        beats.append(_beat(sentence, cast, beats[-1] if beats else None))
    return beats


def scenes_of(beats: Sequence[Beat]) -> list[list[Beat]]:
    """Return the beats grouped into scenes."""
    scenes: list[list[Beat]] = []
    for beat in beats:
        if beat.opens or not scenes:
            scenes.append([])
        scenes[-1].append(beat)
    return scenes


def _beat(sentence: Sentence, cast: Sequence[Entity], before: Beat | None) -> Beat:
    shown = shown_in(sentence.text, cast)
    named = [entity for entity in shown if entity.kind is EntityKind.PLACE]
    seen = [entity for entity in shown if entity.kind is not EntityKind.PLACE]
    opens = sentence.opens or sentence.text.lower().startswith(TIME_JUMPS)
    # A new part may be anywhere: where the last one was says nothing about it.
    place = named[0] if named else before.place if before and not opens else None
    people = [entity for entity in seen if entity.kind is EntityKind.CHARACTER]
    meant = meant_by(sentence.text, people, before.recent if before else ())
    text, replaced = named_opening(sentence.text, meant)
    moved = bool(before and before.place and place != before.place)
    acting = tuple(dict.fromkeys((*meant, *people, *(before.recent if before else ()))))
    return Beat(
        text=text,
        cast=tuple(dict.fromkeys((*meant, *seen))),
        place=place,
        opens=before is None or opens or moved,
        flows=replaced,
        title=sentence.title,
        recent=acting[:_REMEMBERED],
    )
