"""One training batch of M2V and the model input made of it (StoryMem section 3.2).

Unlike inference, where a clip has one mode, every row of a batch has its own; `conditioning` is otherwise the same
tensor as `wan.conditioning` builds. Knows nothing about where latents come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from storymem_backbones.training.flow import SigmaRange, add_noise

MASK_CHANNELS = 4


@dataclass(frozen=True)
class M2VBatch:
    """Normalised latents of B samples that share M.

    Attributes:
        video: (B, 16, T, h, w), the target clips.
        memory: (B, 16, M, h, w), each memory frame encoded alone.
        condition: (B, 16, T, h, w), VAE(condition frames + zero pixels).
        known: (B,) int64, how many leading latents of `condition` are real: 0, 1 (first frame) or 2 (five frames).
        text: (B, L, D), zero-padded text embeddings.
        weight: (B, T, h, w), how much each latent of the target counts in the loss; all the same if None.
    """

    video: torch.Tensor
    memory: torch.Tensor
    condition: torch.Tensor
    known: torch.Tensor
    text: torch.Tensor
    weight: torch.Tensor | None = None

    @property
    def memory_frames(self) -> int:
        """M."""
        return self.memory.shape[2]

    @property
    def clean(self) -> torch.Tensor:
        """Memory and target (B, 16, M+T, h, w): what noise is added to."""
        return torch.cat([self.memory, self.video], dim=2)

    def conditioning(self) -> torch.Tensor:
        """Return y (B, 20, M+T, h, w): 4 mask channels, then the clean memory and the condition latents."""
        latents = torch.cat([self.memory, self.condition], dim=2)
        frame = torch.arange(latents.shape[2], device=latents.device)
        mask = (frame[None] < self.memory_frames + self.known[:, None]).to(latents)
        grid = mask[:, None, :, None, None].expand(-1, MASK_CHANNELS, -1, *latents.shape[-2:])
        return torch.cat([grid, latents], dim=1)

    def noisy(self, sigmas: SigmaRange, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """What a training step is given: the batch with noise on it, one draw of levels and noise.

        Returns:
            inputs (B, 36, M+T, h, w), sigma (B,), text, flow (B, 16, M+T, h, w) that is to be predicted, and weight
            if the batch has one.
        """
        clean = self.clean
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        sigma = sigmas.draw(len(clean), generator)
        inputs = torch.cat([add_noise(clean, noise, sigma), self.conditioning()], dim=1)
        weight = {} if self.weight is None else {"weight": self.weight}
        return {"inputs": inputs, "sigma": sigma, "text": self.text, "flow": noise - clean, **weight}

    def to(self, device: torch.device) -> M2VBatch:
        """The same batch on another device."""

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device, non_blocking=True)

        return M2VBatch(
            move(self.video),
            move(self.memory),
            move(self.condition),
            move(self.known),
            move(self.text),
            None if self.weight is None else move(self.weight),
        )
