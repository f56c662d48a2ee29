"""Poses: how each motion moves a character's parts over time, for a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from storymem_storyworld.world.spec import BLEND_FRAMES, MOTIONS

CHANNELS = ("hop", "lean", "arm_left", "arm_right", "swing", "head_down", "tilt", "crouch", "facing")
_CYCLE = 8.0  # frames; two latent frames of a 4x temporal compression


@dataclass(frozen=True)
class Pose:
    """Pose values, each (B, T): lengths in units, angles in radians (arms from hanging down, outwards)."""

    hop: Tensor
    lean: Tensor
    arm_left: Tensor
    arm_right: Tensor
    swing: Tensor
    head_down: Tensor
    tilt: Tensor
    crouch: Tensor
    facing: Tensor


def _channels(time: Tensor) -> dict[str, dict[str, Tensor]]:
    """For each motion the channels that it changes; `time` in frames and the values are (B, T)."""
    one = torch.ones_like(time)
    wave = torch.sin(time * (2 * torch.pi / _CYCLE))
    slow = torch.sin(time * (torch.pi / _CYCLE))
    bump = slow**2
    walk = {
        "swing": wave,
        "hop": 0.02 * (1 - wave * wave),
        "arm_left": 0.25 + 0.5 * wave,
        "arm_right": 0.25 - 0.5 * wave,
    }
    raised = 2.0 + 0.3 * wave
    return {
        "stand": {"head_down": 0.004 * bump},
        "walk_left": walk | {"facing": -one, "lean": -0.05 * one},
        "walk_right": walk | {"facing": one, "lean": 0.05 * one},
        "jump": {"hop": 0.26 * bump, "arm_left": 0.4 + 1.3 * bump, "arm_right": 0.4 + 1.3 * bump},
        "wave": {"arm_right": 1.95 + 0.4 * wave, "tilt": 0.06 * slow},
        "nod": {"head_down": 0.075 * bump},
        "dance": {
            "lean": 0.22 * wave,
            "tilt": 0.14 * wave,
            "arm_left": 1.2 + 0.5 * wave,
            "arm_right": 1.2 - 0.5 * wave,
        },
        "cheer": {"arm_left": raised, "arm_right": raised, "hop": 0.07 * bump},
        "sit": {"crouch": one, "arm_left": 0.5 * one, "arm_right": 0.5 * one},
    }


def _stacked(motion: Tensor, time: Tensor, facing: Tensor) -> Tensor:
    """All channels of each row's motion: (B,), (B, T), (B, T) -> (len(CHANNELS), B, T)."""
    out = torch.zeros(len(CHANNELS), *time.shape, device=time.device)
    rest = {
        "arm_left": torch.full_like(time, 0.25),
        "arm_right": torch.full_like(time, 0.25),
        "facing": facing,
    }
    changes = _channels(time)
    for index, name in enumerate(MOTIONS):
        chosen = (motion == index)[:, None]
        for row, channel in enumerate(CHANNELS):
            values = (rest | changes[name]).get(channel)
            if values is not None:
                out[row] = torch.where(chosen, values, out[row])
    return out


@dataclass(frozen=True)
class Track:
    """What one actor of each clip does, (B,) each.

    Attributes:
        motion: Index into MOTIONS; `before` likewise, -1 for none.
        phase: Frames since the motion began; `before_phase` likewise.
        facing: Used by motions that do not walk.
        overlap: Frames that repeat the previous clip, 0 after a cut.
    """

    motion: Tensor
    phase: Tensor
    before: Tensor
    before_phase: Tensor
    facing: Tensor
    overlap: Tensor


def poses(track: Track, frames: int) -> Pose:
    """Poses of one actor in each clip, values of shape (B, frames)."""
    clock = torch.arange(frames, device=track.phase.device, dtype=torch.float32)[None]
    turn = (track.overlap[:, None] - 1).clamp(min=0)
    look = track.facing[:, None].expand(-1, frames)
    new = _stacked(track.motion, clock - turn + track.phase[:, None], look)
    old = _stacked(track.before, clock + track.before_phase[:, None], look)
    ramp = ((clock - turn) / BLEND_FRAMES).clamp(0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    mix = torch.where((track.before >= 0)[:, None], ramp, torch.ones_like(ramp))
    return Pose(*torch.lerp(old, new, mix[None].expand_as(new)))
