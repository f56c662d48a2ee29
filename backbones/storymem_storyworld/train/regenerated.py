"""What the embedded model makes of true clips: pictures with a model's faults whose truth is known.

A clip is encoded, noised part of the way, and denoised from there with its own caption, which tells all looks
(SDEdit, arXiv 2108.01073). The
read-out is trained on such clips too, or it would doubt every picture that is not as crisp as a render.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from storymem_backbones.diffusion.quiet import quiet_libraries
from storymem_backbones.wan.manifest import read_manifest
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.shot import Sampling, clip_request
from storymem_storyworld.draw.render import as_bytes
from storymem_storyworld.language.caption import canonical_caption
from storymem_storyworld.language.looks import true_look
from storymem_storyworld.train.full_clip import decode_normalised
from storymem_storyworld.world.spec import ClipSpec

LEAST_NOISE = 0.0  # what the autoencoder alone leaves
MOST_NOISE = 0.6  # above it the model changes who is seen and how they look
_STEPS = 3
_UNGUIDED = Sampling(guidance_high=1, guidance_low=1)


def _all_told(spec: ClipSpec) -> str:
    looks = {actor.look.kind: true_look(actor.look) for actor in spec.actors}
    return canonical_caption(spec, looks, things=True)


class Regenerator:
    """The embedded model without memory, in float32.

    Args:
        folder: Of the model.
        device: Where it runs.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        with quiet_libraries():
            self._pipeline = WanMemoryPipeline.from_pretrained(folder).to(torch.float32).to(device)
        self._pipeline.text_tokens = read_manifest(folder).text_tokens

    def encode(self, clips: Tensor) -> Tensor:
        """Normalised latents (B, 16, T, h, w) of clips (B, 3, F, H, W) in [-1, 1]."""
        latents: Tensor = self._pipeline.encode_video(clips)
        return latents

    @torch.no_grad()
    def __call__(self, specs: Sequence[ClipSpec], clips: Tensor, noise: float, generator: torch.Generator) -> Tensor:
        """Denoise true clips from a noise level.

        Args:
            specs: B clips.
            clips: Their renders (B, 3, F, H, W) in [-1, 1].
            noise: In (0, 1).
            generator: On the CPU.

        Returns:
            Their frames, uint8 (B, F, 3, H, W).
        """
        frames, height, width = clips.shape[2:]
        shots = [clip_request(_all_told(spec), "", width, height, frames, 0) for spec in specs]
        text = torch.cat([self._pipeline.encode_text(shot, _UNGUIDED) for shot in shots]).to(clips.device)
        y = self._pipeline.encode_conditioning(shots[0]).to(clips.device).expand(len(shots), -1, -1, -1, -1)
        latents = self.encode(clips)
        fresh = torch.randn(latents.shape, generator=generator).to(latents)
        latents = (1 - noise) * latents + noise * fresh
        for step in range(_STEPS):
            level = noise * (1 - step / _STEPS)
            timestep = torch.full((len(clips),), 1000 * level, device=latents.device)
            flow = self._pipeline.transformer(torch.cat([latents, y], dim=1), timestep, text, return_dict=False)[0]
            latents = latents - noise / _STEPS * flow
        return as_bytes(decode_normalised(self._pipeline.vae, latents)).transpose(1, 2)
