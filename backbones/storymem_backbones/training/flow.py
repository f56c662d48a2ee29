"""Rectified-flow training targets: x_s = (1 - s) x0 + s n, v = n - x0 (the objective Wan was trained with).

Knows nothing about conditioning or models; `sigma` is the noise level in (0, 1), a timestep is 1000 sigma.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True)
class SigmaRange:
    """Which noise levels are trained, and how densely.

    Attributes:
        shift: s' = shift s / (1 + (shift - 1) s) of a base level s, as the sampler shifts its grid.
        low, high: The part of (0, 1), after the shift, that is trained: one expert's own range.
        density: Base levels drawn uniformly, or from a logit-normal (mean 0, deviation 1; full range only).
    """

    shift: float = 5.0
    low: float = 0.0
    high: float = 1.0
    density: Literal["uniform", "logit_normal"] = "uniform"

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Noise levels (count,), float32 on the generator's device."""
        device = generator.device
        if self.density == "logit_normal" and (self.low, self.high) == (0.0, 1.0):
            return self._shifted(torch.randn(count, generator=generator, device=device).sigmoid())
        low, high = self._base(self.low), self._base(self.high)
        return self._shifted(low + (high - low) * torch.rand(count, generator=generator, device=device))

    def _shifted(self, base: torch.Tensor) -> torch.Tensor:
        return self.shift * base / (1 + (self.shift - 1) * base)

    def _base(self, sigma: float) -> float:
        return sigma / (self.shift - (self.shift - 1) * sigma)


def add_noise(clean: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Mix (B, ...) latents with noise at levels (B,)."""
    level = sigma.view(-1, *[1] * (clean.ndim - 1))
    return (1 - level) * clean + level * noise


def flow_loss(
    predicted: torch.Tensor,
    flow: torch.Tensor,
    memory_frames: int,
    memory_weight: float,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean squared error of the flow on the target latents, plus `memory_weight` times that on memory latents.

    Args:
        predicted: (B, C, M+T, h, w), as the model gives it.
        flow: (B, C, M+T, h, w), noise - clean.
        memory_frames: M.
        memory_weight: 0 in the published recipe; more keeps the noisy copy of the memory on its path as well.
        weight: (B, T, h, w), how much each target latent counts, relative to the batch's mean; none in the recipe.
    """
    error = (predicted.float() - flow).square()
    target = error[:, :, memory_frames:]
    loss = target.mean() if weight is None else (target.mean(1) * weight).mean() / weight.mean()
    if memory_frames and memory_weight:
        loss = loss + memory_weight * error[:, :, :memory_frames].mean()
    return loss
