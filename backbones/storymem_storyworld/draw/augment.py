"""Picture faults: the blur, noise, blocking and colour loss of a generated film, for training readers of pictures.

Pictures are float (N, 3, H, W) in [-1, 1]. All randomness comes from the generator that is handed in.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def blurred(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with one sigma (pixels, (N,)) for each picture."""
    offsets = torch.arange(-6, 7, device=pictures.device, dtype=pictures.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-2)[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    count, channels, height, width = pictures.shape
    flat = pictures.reshape(1, count * channels, height, width)
    weight = kernel.repeat_interleave(channels, 0)[:, None]
    flat = functional.pad(flat, (6, 6, 6, 6), mode="replicate")
    flat = functional.conv2d(flat, weight[:, :, None], groups=count * channels)
    flat = functional.conv2d(flat, weight[:, :, :, None], groups=count * channels)
    return flat.reshape(pictures.shape)


def blocky(pictures: Tensor, size: int) -> Tensor:
    """Pictures whose blocks of `size` pixels have one colour each, as when a codec or VAE fails."""
    small = functional.avg_pool2d(pictures, size, ceil_mode=True)
    large = functional.interpolate(small, scale_factor=float(size), mode="nearest")
    return large[:, :, : pictures.shape[2], : pictures.shape[3]]


def softened(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Mild faults that leave everything readable: what a decoder of limited capacity does.

    Half of the pictures stay as they are.
    """
    count = len(pictures)
    strength = _uniform(count, 0.0, 1.0, generator).sub(0.5).clamp(min=0.0) * 2
    soft = blurred(pictures, 0.05 + 1.3 * strength)
    coarse = functional.interpolate(functional.avg_pool2d(soft, 2), scale_factor=2.0, mode="bilinear")
    mix = (strength * _uniform(count, 0.0, 1.0, generator))[:, None, None, None]
    noise = torch.randn(pictures.shape, generator=generator, device=pictures.device)
    level = (0.05 * strength * _uniform(count, 0.0, 1.0, generator))[:, None, None, None]
    return (torch.lerp(soft, coarse, mix) + level * noise).clamp(-1, 1)
