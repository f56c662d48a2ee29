"""What a prompt means in the storyworld: characters and what they do, place, time, shot size, things, camera.

Words that mean nothing here are ignored. `understand` reads one prompt alone; `understand_story` reads the
prompts of a story in order and carries on what is not said again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from storymem_storyworld.language.caption import plain_caption
from storymem_storyworld.language.concepts import PANS, PRONOUNS, tokens
from storymem_storyworld.world.spec import KINDS, MOTIONS, PLACES, PROPS, SIZES, TIMES

MAX_CAST = 2


@dataclass(frozen=True)
class Concepts:
    """The concepts found in a prompt; what was not found is "" or empty.

    Attributes:
        cast: (kind, motion) of at most two characters in the order in which they are named; motion may be "".
        pan: "left", "right" or "static".
    """

    cast: tuple[tuple[str, str], ...] = ()
    place: str = ""
    time: str = ""
    size: str = ""
    props: tuple[str, ...] = ()
    pan: str = "static"

    def caption(self) -> str:
        """The plain sentence for what was found."""
        return plain_caption(self.size, self.cast, self.place, self.time, self.props, self.pan)

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


def model_prompt(prompt: str) -> str:
    """A free prompt as the plain sentence that the embedded model was trained on; "" if nothing is understood."""
    concepts = understand(prompt)
    return concepts.completed().caption() if concepts != Concepts() else ""


def understand(prompt: str) -> Concepts:
    """Read a prompt; never fails, whatever the text."""
    found = tokens(prompt, pronouns=True)
    props = tuple(dict.fromkeys(token for token in found if token in PROPS))[:1]
    return Concepts(
        cast=_cast(found),
        place=_first(found, PLACES),
        time=_first(found, TIMES),
        size=_first(found, SIZES),
        props=props,
        pan=_first(found, PANS).removeprefix("pan_") or "static",
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
            concepts = replace(concepts, cast=cast, place=place, time=time)
        read.append(concepts)
    return read
