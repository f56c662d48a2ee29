"""Random looks, places and clips. Everything is drawn from the `random.Random` that is handed in."""

from __future__ import annotations

import random
from dataclasses import replace

from storymem_storyworld.world.colours import Colour, sample_colour
from storymem_storyworld.world.spec import (
    FRAMES,
    HATS,
    INDOOR,
    KINDS,
    MOTIONS,
    OUTDOOR,
    PATTERNS,
    PROPS,
    Actor,
    ClipSpec,
    Look,
    Prop,
    Setting,
    effective_facing,
    pan_velocity,
    walk_velocity,
)  # fmt: skip

_MARGIN = {"wide": 0.75, "medium": 0.22, "close_up": 0.06}  # how far from the middle a character may stand
_APART = {"wide": (0.65, 1.1), "medium": (0.62, 0.8), "close_up": (0.56, 0.62)}  # between two characters
_STILL_MOTIONS = tuple(motion for motion in MOTIONS if not walk_velocity(motion))


def sample_look(rng: random.Random, kind: str | None = None) -> Look:
    """A character's look; everything but the kind is independent of the kind."""
    return Look(
        kind=kind or rng.choice(KINDS),
        coat=sample_colour(rng),
        outfit=sample_colour(rng),
        hat=rng.choice(("none", *HATS)),
        scarf=rng.random() < 0.35,
        pattern=rng.choice(PATTERNS),
        skin=rng.random(),
        hat_colour=sample_colour(rng),
        scarf_colour=sample_colour(rng),
    )


def sample_setting(rng: random.Random, kind: str | None = None) -> Setting:
    """A place of the given kind, or of any."""
    return Setting(kind or rng.choice(OUTDOOR + INDOOR), (rng.random(), rng.random()), rng.random())


def sample_motion(rng: random.Random, size: str) -> str:
    """A motion that can be seen at this shot size."""
    return rng.choice([motion for motion in MOTIONS if not (motion == "sit" and size == "close_up")])


def _alone(rng: random.Random, look: Look, size: str) -> tuple[Actor, ...]:
    motion = sample_motion(rng, size)
    x = rng.uniform(-1, 1) * _MARGIN[size]
    if size != "close_up" and walk_velocity(motion):
        start = -0.8 * _MARGIN[size] + 0.35 * x
        x = start if motion == "walk_right" else -start
    return (_placed(look, motion, x, rng.choice((-1.0, 0.0, 1.0))),)


def _placed(look: Look, motion: str, x: float, facing: float) -> Actor:
    actor = Actor(look, motion, x, facing)
    return Actor(look, motion, x, effective_facing(actor))


def _pair(rng: random.Random, looks: tuple[Look, ...], size: str) -> tuple[Actor, ...]:
    apart = rng.uniform(*_APART[size])
    walk = rng.choice(("walk_left", "walk_right"))
    together = rng.random() < 0.2
    middle = rng.uniform(-0.3, 0.3) if size == "wide" else 0.0
    if together:
        middle = 0.5 * _MARGIN[size] * (-1 if walk == "walk_right" else 1)
    still = [motion for motion in _STILL_MOTIONS if not (motion == "sit" and size == "close_up")]
    motions = [walk if together else rng.choice(still) for _ in looks]
    return tuple(
        _placed(look, motion, middle + side * apart / 2, -side)
        for look, motion, side in zip(looks, motions, (-1.0, 1.0), strict=True)
    )


def sample_actors(rng: random.Random, looks: tuple[Look, ...], size: str) -> tuple[Actor, ...]:
    """Place and move up to two characters around x = 0 so that they stay in the picture for a clip."""
    if not looks:
        return ()
    return _alone(rng, looks[0], size) if len(looks) == 1 else _pair(rng, looks, size)


def doubled(rng: random.Random, spec: ClipSpec) -> ClipSpec:
    """A clip that begins with a cut, with its first character twice and nobody else, as a model draws it by mistake."""
    look = spec.actors[0].look
    first, second = sample_actors(rng, (look, look), spec.size)
    pair = (first, replace(second, motion=first.motion))
    return replace(spec, actors=tuple(replace(actor, x=actor.x + spec.camera) for actor in pair))


def sample_prop(rng: random.Random, size: str, kind: str | None = None, colour: Colour | None = None) -> Prop:
    """A thing beside the characters, relative to x = 0."""
    reach = (0.7, 1.2) if size == "wide" else (0.62, 0.85)
    return Prop(kind or rng.choice(PROPS), colour or sample_colour(rng), rng.choice((-1, 1)) * rng.uniform(*reach))


def moved_to(spec: ClipSpec, camera: float) -> ClipSpec:
    """The same clip with camera, characters and things shifted along the scenery."""
    actors = tuple(replace(actor, x=actor.x + camera) for actor in spec.actors)
    props = tuple(replace(prop, x=prop.x + camera) for prop in spec.props)
    return replace(spec, actors=actors, props=props, camera=camera)


def _centred(spec: ClipSpec) -> ClipSpec:
    """A pan passes its subject in the middle of the clip."""
    return replace(spec, camera=spec.camera - pan_velocity(spec.pan, spec.size) * (FRAMES - 1) / 2)


def sample_shot(
    rng: random.Random,
    setting: Setting,
    looks: tuple[Look, ...],
    size: str | None = None,
    time: str | None = None,
    props: tuple[tuple[str, Colour], ...] = (),
) -> ClipSpec:
    """A clip (after a cut) of these characters and things in this place; what is not given is drawn."""
    shot = size or rng.choices(("wide", "medium", "close_up"), (2, 3, 2))[0]
    if not looks:
        shot = "wide"
    hour = time or rng.choices(("day", "sunset", "night"), (3, 1, 1))[0]
    actors = sample_actors(rng, looks, shot)
    walks = any(walk_velocity(actor.motion) for actor in actors)
    pan = rng.choices(("static", "left", "right"), (8, 1, 1) if walks else (4, 1, 1))[0]
    things = tuple(sample_prop(rng, shot, *prop) for prop in props[:1])
    spec = ClipSpec(setting, actors, hour, shot, pan, 0.0, things)
    return _centred(moved_to(spec, rng.uniform(-0.6, 0.6)))


def sample_spec(rng: random.Random) -> ClipSpec:
    """A clip of one or two random characters (of different kinds) in a random place."""
    kinds = rng.sample(KINDS, rng.choices((1, 2), (3, 1))[0])
    looks = tuple(sample_look(rng, kind) for kind in kinds)
    size = rng.choices(("wide", "medium", "close_up"), (2, 3, 2))[0]
    props = ((rng.choice(PROPS), sample_colour(rng)),) if size != "close_up" and rng.random() < 0.3 else ()
    return sample_shot(rng, sample_setting(rng), looks, size, props=props)
