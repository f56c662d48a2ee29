"""Poses: how each motion moves a character's parts over time, for a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from storymem_backbones.storyworld.world import BLEND_FRAMES, MOTIONS

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


def _channels(motion: str, time: Tensor, facing: Tensor) -> dict[str, Tensor]:
    """The channels that a motion changes; time in frames, both (B, T)."""
    wave = torch.sin(time * (2 * torch.pi / _CYCLE))
    bump = torch.sin(time * (torch.pi / _CYCLE)) ** 2
    slow = torch.sin(time * (torch.pi / _CYCLE))
    one = torch.ones_like(time)
    match motion:
        case "walk_left" | "walk_right":
            side = 1.0 if motion == "walk_right" else -1.0
            return {
                "swing": wave, "hop": 0.02 * (1 - wave * wave), "facing": side * one, "lean": 0.05 * side * one,
                "arm_left": 0.25 + 0.5 * wave, "arm_right": 0.25 - 0.5 * wave,
            }  # fmt: skip
        case "jump":
            return {"hop": 0.26 * bump, "arm_left": 0.4 + 1.3 * bump, "arm_right": 0.4 + 1.3 * bump}
        case "wave":
            return {"arm_right": 2.3 + 0.4 * wave, "tilt": 0.06 * slow}
        case "nod":
            return {"head_down": 0.075 * bump}
        case "dance":
            return {
                "lean": 0.22 * wave, "tilt": 0.14 * wave, "arm_left": 1.2 + 0.5 * wave, "arm_right": 1.2 - 0.5 * wave
            }  # fmt: skip
        case "cheer":
            return {"arm_left": 2.2 + 0.3 * wave, "arm_right": 2.2 + 0.3 * wave, "hop": 0.07 * bump}
        case "sit":
            return {"crouch": one, "arm_left": 0.5 * one, "arm_right": 0.5 * one}
    return {"head_down": 0.008 * bump}


def _stacked(motion: Tensor, time: Tensor, facing: Tensor) -> Tensor:
    """All channels of each row's motion: (B,), (B, T), (B, T) -> (len(CHANNELS), B, T)."""
    out = torch.zeros(len(CHANNELS), *time.shape, device=time.device)
    rest = {
        "arm_left": torch.full_like(time, 0.25),
        "arm_right": torch.full_like(time, 0.25),
        "facing": facing,
    }
    for index, name in enumerate(MOTIONS):
        values = rest | _channels(name, time, facing)
        chosen = (motion == index)[:, None]
        for row, channel in enumerate(CHANNELS):
            if channel in values:
                out[row] = torch.where(chosen, values[channel], out[row])
    return out


def poses(
    motion: Tensor,
    phase: Tensor,
    before: Tensor,
    before_phase: Tensor,
    facing: Tensor,
    overlap: Tensor,
    frames: int,
) -> Pose:
    """Poses of one actor a clip.

    Args:
        motion: Index into MOTIONS, (B,); `before` likewise, -1 for none.
        phase: Frames since the motion began, (B,); `before_phase` likewise.
        facing: (B,), used by motions that do not walk.
        overlap: Frames that repeat the previous clip, (B,), 0 after a cut.

    Returns:
        Values of shape (B, frames).
    """
    clock = torch.arange(frames, device=phase.device, dtype=torch.float32)[None]
    turn = (overlap[:, None] - 1).clamp(min=0)
    look = facing[:, None].expand(-1, frames)
    new = _stacked(motion, clock - turn + phase[:, None], look)
    old = _stacked(before, clock + before_phase[:, None], look)
    ramp = ((clock - turn) / BLEND_FRAMES).clamp(0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    mix = torch.where((before >= 0)[:, None], ramp, torch.ones_like(ramp))
    return Pose(*torch.lerp(old, new, mix[None].expand_as(new)))
