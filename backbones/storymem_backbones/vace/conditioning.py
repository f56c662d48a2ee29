"""How VACE is given frames that are known: video and mask, and the latents written again at the last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from storymem.interfaces import ShotRequest
from storymem.values.clip import Frames
from storymem_backbones.diffusion.frames import to_pixels

_UNKNOWN = 0.5  # grey, which the model was trained to see where a frame is to be made


def control_video(request: ShotRequest) -> dict[str, Any]:
    """The pipeline's ``video`` and ``mask``, float32 (1, F, H, W, 3) in 0..1; empty where no frame is known.

    A mask of 0 keeps a frame and 1 makes it. One array of five axes: the pipeline misreads lists and bytes.
    """
    known = _known_frames(request)
    if not known:
        return {}
    shape = (1, request.frames, request.height, request.width, 3)
    video, mask = np.full(shape, _UNKNOWN, np.float32), np.ones(shape, np.float32)
    for index, picture in known.items():
        video[0, index], mask[0, index] = picture.astype(np.float32) / 255, 0
    return {"video": video, "mask": mask}


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """Called after each step: at the last one it writes the clean latents of the opening frames again.

    The mask is sampled once every four frames, so that a single kept frame marks no latent frame as kept, and what the
    model makes of it drifts. Decoding is causal: with clean latents in front, the first frames are exactly what the
    VAE makes of those given.

    Attributes:
        opening: uint8 RGB (1 or 5, H, W, 3), the clip's known first frames.
        references: Latent frames in front of the clip's own.
        steps: Denoising steps.
    """

    opening: Frames
    references: int
    steps: int

    @classmethod
    def of(cls, request: ShotRequest, steps: int) -> Hold | None:
        """The hold of a request, or None if its first frame is to be made."""
        known = _known_frames(request)
        opening = [known[i] for i in range(request.handover.count if request.handover else 1) if i in known]
        return cls(np.stack(opening), len(request.memory), steps) if opening else None

    def __call__(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """See diffusers' ``callback_on_step_end``."""
        if step + 1 < self.steps:
            return {}
        latents = tensors["latents"].clone()
        clean = encode(pipeline.vae, self.opening, latents.device).to(latents)
        latents[:, :, self.references : self.references + clean.shape[2]] = clean
        return {"latents": latents}


def encode(vae: Any, frames: Frames, device: torch.device) -> Tensor:
    """Normalised latents (1, 16, (F-1)/4+1, H/8, W/8) of frames uint8 RGB (F, H, W, 3), F = 4n+1."""
    pixels = to_pixels(frames).transpose(0, 1)[None].to(device=device, dtype=vae.dtype)
    raw = vae.encode(pixels, return_dict=False)[0].mode().float()
    mean, std = (
        torch.tensor(v).view(1, -1, 1, 1, 1).to(raw) for v in (vae.config.latents_mean, vae.config.latents_std)
    )
    latents: Tensor = (raw - mean) / std
    return latents


def _known_frames(request: ShotRequest) -> dict[int, Frames]:
    """The frames that are given, by index: uint8 RGB (H, W, 3) each."""
    known = {anchor.frame: anchor.load() for anchor in request.anchors}
    if request.handover_frames is not None:
        known.update(enumerate(request.handover_frames))
    return known
