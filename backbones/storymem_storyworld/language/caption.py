"""The plain sentence that tells a clip: characters and what is told of their looks, motions, place, time, size, things.

How much of the looks it tells is up to who asks; nothing by default, so that they must come from memory. Varied
phrasings live in `phrasing.py`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from storymem_storyworld.language.looks import ToldLook, colour_word, look_words
from storymem_storyworld.language.phrasing import varied_caption
from storymem_storyworld.world.colours import colour_name
from storymem_storyworld.world.spec import ClipSpec

SIZE_WORDS = {"wide": "wide shot", "medium": "medium shot", "close_up": "close up"}
MOTION_WORDS = {
    "stand": "stands", "walk_left": "walks left", "walk_right": "walks right", "jump": "jumps",
    "wave": "waves", "nod": "nods", "dance": "dances", "cheer": "cheers", "sit": "sits",
}  # fmt: skip
PLACE_WORDS = {"living_room": "living room", "mountain": "mountains"}
TIME_WORDS = {"day": "by day", "sunset": "at sunset", "night": "at night"}
PAN_WORDS = {"static": "", "left": "pan left", "right": "pan right"}


def plain_caption(
    size: str,
    cast: Sequence[tuple[str, str, ToldLook]],
    place: str,
    time: str,
    props: Sequence[tuple[str, str]] = (),
    pan: str = "static",
) -> str:
    """Canonical caption; empty concepts are left out.

    Args:
        size: One of SIZES or "".
        cast: (kind, motion, look) of each character, left to right.
        place: A kind of place or "".
        time: One of TIMES or "".
        props: (colour, kind) of each thing.
        pan: One of PANS.
    """
    told = [f"{look_words(kind, look)} {MOTION_WORDS.get(motion, '')}".strip() for kind, motion, look in cast]
    parts = (
        SIZE_WORDS.get(size, ""),
        " and ".join(told),
        f"in {PLACE_WORDS.get(place, place)}" if place else "",
        TIME_WORDS.get(time, ""),
        " ".join(f"with {colour_word(colour)} {prop}".replace("  ", " ") for colour, prop in props),
        PAN_WORDS.get(pan, ""),
    )
    return " ".join(part for part in parts if part)


def canonical_caption(spec: ClipSpec, told: Mapping[str, ToldLook] | None = None, things: bool = False) -> str:
    """Canonical caption of a clip, with what is told of the looks of its kinds, and with `things` of its things."""
    looks = told or {}
    cast = [
        (actor.look.kind, actor.motion, looks.get(actor.look.kind, ToldLook()))
        for actor in sorted(spec.actors, key=lambda actor: actor.x)
    ]
    props = [(colour_name(prop.colour) if things else "", prop.kind) for prop in spec.props]
    return plain_caption(spec.size, cast, spec.setting.kind, spec.time, props, spec.pan)


def caption(spec: ClipSpec, rng: random.Random) -> str:
    """The plain caption half of the time, else a varied one; neither tells looks."""
    return canonical_caption(spec) if rng.random() < 0.5 else varied_caption(spec, rng)
