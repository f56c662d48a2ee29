"""The plain sentence that tells a clip: kind of characters, motions, place, time, shot size, camera, things.

Looks are never told: they must come from memory. Varied phrasings live in `phrasing.py`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from storymem_storyworld.language.phrasing import varied_caption
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
    cast: Sequence[tuple[str, str]],
    place: str,
    time: str,
    props: Sequence[str] = (),
    pan: str = "static",
) -> str:
    """Canonical caption; `cast` holds (kind, motion), left to right; empty concepts are left out."""
    who = " and ".join(f"{kind} {MOTION_WORDS[motion]}" if motion else kind for kind, motion in cast)
    parts = (
        SIZE_WORDS.get(size, ""),
        who,
        f"in {PLACE_WORDS.get(place, place)}" if place else "",
        TIME_WORDS.get(time, ""),
        " ".join(f"with {prop}" for prop in props),
        PAN_WORDS.get(pan, ""),
    )
    return " ".join(part for part in parts if part)


def canonical_caption(spec: ClipSpec) -> str:
    """Canonical caption of a clip."""
    cast = [(actor.look.kind, actor.motion) for actor in sorted(spec.actors, key=lambda actor: actor.x)]
    return plain_caption(spec.size, cast, spec.setting.kind, spec.time, [prop.kind for prop in spec.props], spec.pan)


def caption(spec: ClipSpec, rng: random.Random) -> str:
    """The plain caption half of the time, else a varied one."""
    return canonical_caption(spec) if rng.random() < 0.5 else varied_caption(spec, rng)
