"""Requests of single clips, their latents' shape, and how a clip is sampled. Plain data: no torch, no model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from storymem.values.clip import Frames
from storymem.values.keyframe import Keyframe
from storymem.values.request import Handover, ShotRequest
from storymem_backbones.wan.geometry import latent_frames, legal_size

Picture = NDArray[np.uint8]
StepCallback = Callable[[int, int], None]
"""Called with (steps done, steps in all) before the first step and after each; it raises to stop."""


def clip_request(
    prompt: str,
    negative_prompt: str,
    width: int,
    height: int,
    frames: int,
    seed: int,
    memory: Sequence[Picture] = (),
    condition: Frames | None = None,
) -> ShotRequest:
    """Return the request of one clip made from pictures at hand, for training and benchmarks, which have no story.

    Args:
        prompt: Text of the shot.
        negative_prompt: What to steer away from; unused where guidance is 1.
        width: Pixels, a multiple of 16.
        height: Pixels, a multiple of 16.
        frames: F = 4n+1.
        seed: Of the initial noise.
        memory: Pictures in order, uint8 of any size, grey, RGB or RGBA.
        condition: The previous shot's last 1 or 5 frames, uint8 RGB (C, any, any, 3), or none.

    Raises:
        ConditioningError: A picture has another layout or type.
    """
    from storymem_backbones.diffusion.frames import as_rgb

    keyframes = tuple(Keyframe.of_picture(as_rgb(picture)) for picture in memory)
    handover = None if condition is None or not len(condition) else Handover(len(condition), frames=condition)
    return ShotRequest("", prompt, negative_prompt, width, height, frames, seed, memory=keyframes, handover=handover)


def latent_shape(request: ShotRequest) -> tuple[int, int, int, int, int]:
    """Return the shape (1, 16, M+T, h, w) of the noise, which covers memory and video.

    Raises:
        GeometryError: If the size or the number of frames is not legal.
    """
    height, width = legal_size(request.height, request.width)
    return 1, 16, len(request.memory) + latent_frames(request.frames), height // 8, width // 8


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a clip is sampled (paper section 4.1).

    Attributes:
        steps: UniPC steps.
        flow_shift: 4.0 for M2V, 12.0 for a T2V model.
        boundary: Share of 1000 timesteps at and above which the high-noise expert works (0.9; T2V 0.875).
        guidance_high: Classifier-free guidance of the high-noise expert; 1 switches it off.
        guidance_low: Of the low-noise expert.
        memory_guidance: g of flow + (g - 1) (with - without), the prompt's flow with and without memory; 1 switches it
            off. Not in the paper; above 1 a weak memory counts for more, at the price of another, shorter pass.
        opening_guidance: Classifier-free guidance of shots that remember nothing, of both experts; that of all others
            if None. What such a shot shows is remembered by those after it, so it should be clear.
        match_handover: Keep the colours of the condition frames, see `colours`.
        batched_guidance: Run prompt and negative prompt as a batch of two instead of one after the other.
    """

    steps: int = 40
    flow_shift: float = 4.0
    boundary: float = 0.9
    guidance_high: float = 3.5
    guidance_low: float = 3.5
    memory_guidance: float = 1.0
    opening_guidance: float | None = None
    match_handover: bool = False
    batched_guidance: bool = False

    def suited_to(self, memory: int) -> "Sampling":
        """What a shot with this many memory keyframes is sampled with."""
        if memory or self.opening_guidance is None:
            return self
        return self.replaced(guidance_high=self.opening_guidance, guidance_low=self.opening_guidance)

    def replaced(self, **changes: float) -> "Sampling":
        """A copy with some values changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
