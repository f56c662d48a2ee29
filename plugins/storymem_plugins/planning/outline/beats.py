"""From sentences to beats: what happens, to whom, where; and which beats belong to one scene."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from storymem.script.models import Entity, EntityKind
from storymem_plugins.planning.outline.cast import shown_in
from storymem_plugins.planning.outline.sentences import Sentence
from storymem_plugins.planning.outline.words import IMPERSONAL, PRONOUNS, TIME_JUMPS

_OPENING = re.compile(
    r"^(?:and |but |so |then |now |there,? )?(?P<word>he|she|it|they)\b(?P<rest>\s+(?P<verb>\w+).*)$", re.I | re.S
)


@dataclass(frozen=True, slots=True)
class Beat:
    """One thing that happens.

    Attributes:
        text: The sentence, its leading pronoun replaced by who is meant.
        cast: Who and what is seen, but for the place.
        place: Where, if the story has said so by now.
        opens: Whether a new scene begins here.
        flows: Whether the author goes on with the one acting before ("then", "she").
        title: Heading above it.
    """

    text: str
    cast: tuple[Entity, ...]
    place: Entity | None
    opens: bool
    flows: bool
    title: str = ""


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
    place = named[0] if named else before.place if before else None
    meant = _meant(sentence.text, seen, before)
    text, replaced = _named(sentence.text, meant)
    moved = bool(before and before.place and place != before.place)
    jumps = sentence.text.lower().startswith(TIME_JUMPS)
    return Beat(
        text=text,
        cast=tuple(dict.fromkeys((*meant, *seen))),
        place=place,
        opens=before is None or sentence.opens or moved or jumps,
        flows=bool(meant) and replaced,
        title=sentence.title,
    )


def _meant(text: str, seen: Sequence[Entity], before: Beat | None) -> list[Entity]:
    """Return whom the sentence's pronouns stand for: those who acted last."""
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word in PRONOUNS]
    acting = [entity for entity in before.cast if entity.kind is EntityKind.CHARACTER] if before else []
    if not words or not acting or any(entity.kind is EntityKind.CHARACTER for entity in seen):
        return []
    return acting[: max(PRONOUNS[word] for word in words)]


def _named(text: str, meant: Sequence[Entity]) -> tuple[str, bool]:
    """Replace the pronoun that opens a sentence by the names of those meant."""
    opening = _OPENING.match(text)
    if not opening or not meant or (opening["word"].lower() == "it" and opening["verb"].lower() in IMPERSONAL):
        return text, False
    names = [_with_article(entity) for entity in meant]
    subject = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{subject[0].upper()}{subject[1:]}{opening['rest']}", True


def _with_article(entity: Entity) -> str:
    return entity.label if entity.label != entity.label.lower() else f"the {entity.label}"
