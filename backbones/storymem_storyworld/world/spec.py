"""What a clip of the storyworld contains, as plain data.

A `ClipSpec` says everything about one clip: where, when, who, how they look and move, what the camera does.
It knows nothing about pixels (`draw`), words (`language`) or stories (`stories`).

Units: one length unit is about the height of a character; y points up, the ground is y = 0; time is in
frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from storymem_storyworld.world.colours import Colour

KINDS = (
    "fox", "cat", "dog", "bear", "rabbit", "owl", "mouse",
    "man", "woman", "boy", "girl", "elder", "robot",
)  # fmt: skip
PEOPLE = frozenset(("man", "woman", "boy", "girl", "elder"))
OUTDOOR = ("forest", "meadow", "beach", "mountain", "desert", "city", "village")
INDOOR = ("kitchen", "bedroom", "library", "living_room", "castle", "spaceship")
PLACES = OUTDOOR + INDOOR
TIMES = ("day", "sunset", "night")
SIZES = ("wide", "medium", "close_up")
PANS = ("static", "left", "right")
MOTIONS = ("stand", "walk_left", "walk_right", "jump", "wave", "nod", "dance", "cheer", "sit")
HATS = ("none", "cap", "top_hat", "beanie")
PATTERNS = ("plain", "stripes", "dots")
PROPS = ("ball", "balloon", "crate", "lantern", "flower", "stool")

FRAMES = 17
FPS = 8
WALK_SPEED = 0.065  # units a frame
PAN_SPEED = {"wide": 0.04, "medium": 0.024, "close_up": 0.014}  # units a frame, by shot size
TRACKING = {"wide": 0.0, "medium": 0.5, "close_up": 0.9}  # the share of a walk that the camera follows
BLEND_FRAMES = 4  # frames in which one motion turns into the next, within a shot without a cut


@dataclass(frozen=True)
class Look:
    """How a character looks. A text may tell any of it but `skin`, and need not tell more than `kind`.

    Attributes:
        coat: RGB in [0, 1]: fur, metal, or hair and trousers of people.
        outfit: RGB in [0, 1]: shirt, dress or robe.
        hat_colour, scarf_colour: RGB in [0, 1], whether or not they are worn.
        skin: Skin tone in [0, 1], light to dark (people only).
    """

    kind: str
    coat: Colour
    outfit: Colour
    hat: str = "none"
    scarf: bool = False
    pattern: str = "plain"
    skin: float = 0.3
    hat_colour: Colour = (0.9, 0.2, 0.2)
    scarf_colour: Colour = (0.9, 0.2, 0.2)


@dataclass(frozen=True)
class Actor:
    """A character in one clip.

    Attributes:
        x: Position at frame 0.
        facing: -1 left, 0 to the camera, 1 right; walking overrides it.
        phase: Frames for which `motion` has been going on at frame 0 (of a shot that begins with a cut).
        before: In a shot without a cut, the motion carried over from the previous clip, else "".
        before_phase: Frames for which `before` had been going on at frame 0.
        changed: What of the look is not what the story showed before, as names of `Look`'s attributes: no memory can
            tell it, so the text has to.
    """

    look: Look
    motion: str = "stand"
    x: float = 0.0
    facing: float = 0.0
    phase: float = 0.0
    before: str = ""
    before_phase: float = 0.0
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """One particular place: the kind is what the text tells, palette and layout are its own.

    Attributes:
        palette: Two numbers in [0, 1]: the place's main colour and its ground colour, as positions on the
            colour ramps of its kind.
        layout: Where along the endless scenery this place lies, in [0, 1].
    """

    kind: str
    palette: tuple[float, float] = (0.5, 0.5)
    layout: float = 0.0


@dataclass(frozen=True)
class Prop:
    """A thing on the ground at `x`, with its own colour (RGB in [0, 1])."""

    kind: str
    colour: Colour
    x: float


@dataclass(frozen=True)
class ClipSpec:
    """One clip.

    Attributes:
        camera: Horizontal camera position at frame 0.
        pan_before: In a shot without a cut, the pan carried over from the previous clip.
        overlap: How many of the first frames repeat the end of the previous clip; 0 after a cut.
    """

    setting: Setting
    actors: tuple[Actor, ...]
    time: str = "day"
    size: str = "medium"
    pan: str = "static"
    camera: float = 0.0
    props: tuple[Prop, ...] = ()
    pan_before: str = "static"
    overlap: int = 0


def walk_velocity(motion: str) -> float:
    """Units a frame that a motion moves its character; negative is to the left."""
    return {"walk_left": -WALK_SPEED, "walk_right": WALK_SPEED}.get(motion, 0.0)


def pan_velocity(pan: str, size: str) -> float:
    """Units a frame that a pan moves the camera at a shot size."""
    return {"left": -PAN_SPEED[size], "right": PAN_SPEED[size]}.get(pan, 0.0)


def _moved(before: float, after: float, overlap: int, frame: float) -> float:
    turn = max(overlap - 1, 0)
    return before * min(frame, turn) + after * max(frame - turn, 0.0)


def actor_x(spec: ClipSpec, index: int, frame: float) -> float:
    """Position of actor `index` at `frame`."""
    actor = spec.actors[index]
    return actor.x + _moved(walk_velocity(actor.before), walk_velocity(actor.motion), spec.overlap, frame)


def camera_x(spec: ClipSpec, frame: float) -> float:
    """Camera position at `frame`: its pan plus the share of the actors' walk that it follows."""
    walked = [actor_x(spec, i, frame) - actor.x for i, actor in enumerate(spec.actors)]
    followed = TRACKING[spec.size] * sum(walked) / max(len(walked), 1)
    before, after = pan_velocity(spec.pan_before, spec.size), pan_velocity(spec.pan, spec.size)
    return spec.camera + followed + _moved(before, after, spec.overlap, frame)


def effective_facing(actor: Actor) -> float:
    """Where the actor looks while its motion lasts."""
    return {"walk_left": -1.0, "walk_right": 1.0}.get(actor.motion, actor.facing)


def continue_clip(
    spec: ClipSpec, motions: Sequence[str], pan: str = "static", overlap: int = 1, frames: int = FRAMES
) -> ClipSpec:
    """The next clip of a shot without a cut: its first `overlap` frames are the last ones of `spec`.

    Args:
        spec: The clip to continue.
        motions: What each actor does next, in the order of `spec.actors`.
        pan: What the camera does next.
        frames: Length of `spec` when rendered.
        overlap: Frames shared by both clips: 1 (first-frame condition) to 5 (motion-frames condition).

    Raises:
        ValueError: If the motions do not match the actors, or the carried motions are still blending.
    """
    start = frames - overlap
    if len(motions) != len(spec.actors):
        raise ValueError(f"{len(motions)} motions for {len(spec.actors)} actors")
    if overlap < 1 or start < max(spec.overlap - 1, 0) + BLEND_FRAMES:
        raise ValueError(f"overlap {overlap} does not fit clips of {frames} frames")
    elapsed = start - max(spec.overlap - 1, 0)
    actors = tuple(
        replace(
            actor,
            x=actor_x(spec, i, start),
            motion=motion,
            facing=effective_facing(actor),
            phase=actor.phase + elapsed + overlap - 1 if motion == actor.motion else 0.0,
            before=actor.motion,
            before_phase=actor.phase + elapsed,
        )
        for i, (actor, motion) in enumerate(zip(spec.actors, motions, strict=True))
    )
    return replace(spec, actors=actors, camera=camera_x(spec, start), pan=pan, pan_before=spec.pan, overlap=overlap)
