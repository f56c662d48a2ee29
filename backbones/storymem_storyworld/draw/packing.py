"""Clip specs as one batch of tensors."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from storymem_storyworld.draw.figures import SCALE
from storymem_storyworld.draw.motion import Track
from storymem_storyworld.draw.painter import constant
from storymem_storyworld.draw.scenery import Ramp, ramp
from storymem_storyworld.world.colours import Colour
from storymem_storyworld.world.spec import (
    HATS,
    KINDS,
    MOTIONS,
    PATTERNS,
    PLACES,
    PROPS,
    SIZES,
    TIMES,
    TRACKING,
    Actor,
    ClipSpec,
    pan_velocity,
    walk_velocity,
)  # fmt: skip

SLOTS = 2  # characters in one shot, at most
_SKIN: Ramp = ((0.99, 0.86, 0.75), (0.82, 0.58, 0.42), (0.44, 0.29, 0.22))
_INDEX = {
    name: {value: index for index, value in enumerate(values)}
    for name, values in (
        ("kind", KINDS), ("motion", MOTIONS), ("hat", HATS), ("pattern", PATTERNS), ("place", PLACES),
        ("prop", PROPS), ("size", SIZES), ("time", TIMES),
    )
}  # fmt: skip
_ABSENT = [-1.0] + [0.0] * 14 + [-1.0] + [0.0] * 10


def accent_colour(outfit: Colour) -> Colour:
    """The colour of lights and hair ties: the outfit's complement, strong and light enough to be seen."""
    hue, saturation, value = colorsys.rgb_to_hsv(*outfit)
    return colorsys.hsv_to_rgb((hue + 0.5) % 1.0, 0.45 + 0.4 * saturation, 0.6 + 0.35 * value)


def _actor_row(actor: Actor) -> list[float]:
    look = actor.look
    return [
        _INDEX["kind"][look.kind], *look.coat, *look.outfit, *accent_colour(look.outfit), look.skin,
        _INDEX["hat"][look.hat], float(look.scarf), _INDEX["pattern"][look.pattern],
        _INDEX["motion"][actor.motion], _INDEX["motion"].get(actor.before, -1), actor.phase,
        actor.before_phase, actor.facing, actor.x, *look.hat_colour, *look.scarf_colour,
    ]  # fmt: skip


def _clip_row(spec: ClipSpec) -> list[float]:
    scales = [SCALE[actor.look.kind] for actor in spec.actors] or [1.0]
    prop = spec.props[0] if spec.props else None
    return [
        _INDEX["place"][spec.setting.kind], *spec.setting.palette, spec.setting.layout,
        _INDEX["time"][spec.time], _INDEX["size"][spec.size], spec.camera,
        pan_velocity(spec.pan_before, spec.size),
        pan_velocity(spec.pan, spec.size), spec.overlap,
        sum(scales) / len(scales), TRACKING[spec.size] / len(scales),
        _INDEX["prop"][prop.kind] if prop else -1, *(prop.colour if prop else (0.0, 0.0, 0.0)),
        prop.x if prop else 0.0,
    ]  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """B clips: `clip` (B, 17) and `cast` (B, 2, 26), with names for their columns."""

    clip: Tensor
    cast: Tensor

    def _clip_index(self, column: int) -> Tensor:
        return self.clip[:, column].long()

    @property
    def place(self) -> Tensor:
        """Index into PLACES, (B,)."""
        return self._clip_index(0)

    @property
    def palette(self) -> Tensor:
        """(B, 2)."""
        return self.clip[:, 1:3]

    @property
    def layout(self) -> Tensor:
        """(B,)."""
        return self.clip[:, 3]

    @property
    def time(self) -> Tensor:
        """Index into TIMES, (B,)."""
        return self._clip_index(4)

    @property
    def size(self) -> Tensor:
        """Index into SIZES, (B,)."""
        return self._clip_index(5)

    @property
    def mean_scale(self) -> Tensor:
        """Mean size of the characters, (B,)."""
        return self.clip[:, 10]

    @property
    def prop(self) -> Tensor:
        """Index into PROPS or -1, (B,)."""
        return self._clip_index(12)

    @property
    def prop_colour(self) -> Tensor:
        """(B, 3)."""
        return self.clip[:, 13:16]

    @property
    def prop_x(self) -> Tensor:
        """(B,)."""
        return self.clip[:, 16]

    @property
    def kind(self) -> Tensor:
        """Index into KINDS or -1, (B, 2)."""
        return self.cast[:, :, 0].long()

    def looks(self, slot: int) -> tuple[Tensor, ...]:
        """Coat, outfit, skin, accent colours (B, 3); hat, scarf, pattern (B,); hat and scarf colours (B, 3)."""
        row = self.cast[:, slot]
        return (
            row[:, 1:4],
            row[:, 4:7],
            ramp(_SKIN, row[:, 10]),
            row[:, 7:10],
            row[:, 11],
            row[:, 12],
            row[:, 13],
            row[:, 20:23],
            row[:, 23:26],
        )

    def track(self, slot: int) -> Track:
        """What the actor in this slot does."""
        row = self.cast[:, slot]
        return Track(row[:, 14].long(), row[:, 16], row[:, 15].long(), row[:, 17], row[:, 18], self.clip[:, 9])

    def _moved(self, before: Tensor, after: Tensor, frames: int) -> Tensor:
        clock = torch.arange(frames, device=self.clip.device, dtype=torch.float32)[None]
        turn = (self.clip[:, 9:10] - 1).clamp(min=0)
        return before[:, None] * torch.minimum(clock, turn) + after[:, None] * (clock - turn).clamp(min=0)

    def _walked(self, slot: int, frames: int) -> Tensor:
        speed = constant(tuple(walk_velocity(motion) for motion in (*MOTIONS, "")), self.clip.device)
        row = self.cast[:, slot]
        present = (row[:, 0] >= 0).float()
        return self._moved(speed[row[:, 15].long()] * present, speed[row[:, 14].long()] * present, frames)

    def actor_path(self, slot: int, frames: int) -> Tensor:
        """Horizontal position of one actor, (B, T)."""
        return self.cast[:, slot, 19:20] + self._walked(slot, frames)

    def camera_path(self, frames: int) -> Tensor:
        """Horizontal position of the camera, (B, T)."""
        walked = sum((self._walked(slot, frames) for slot in range(SLOTS)), torch.zeros(1, device=self.clip.device))
        panned = self._moved(self.clip[:, 7], self.clip[:, 8], frames)
        return self.clip[:, 6:7] + self.clip[:, 11:12] * walked + panned


def pack(specs: Sequence[ClipSpec], device: torch.device) -> Batch:
    """Specs as tensors on `device`."""
    clip = [_clip_row(spec) for spec in specs]
    cast = [[_actor_row(actor) for actor in spec.actors] + [_ABSENT] * (SLOTS - len(spec.actors)) for spec in specs]
    return Batch(torch.tensor(clip, device=device), torch.tensor(cast, device=device))
