"""Resizing and cropping exactly as torchvision and VBench do them, without torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from storymem.values.clip import Frames

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Mode = Literal["bilinear", "bicubic"]


@dataclass(frozen=True, slots=True)
class Transform:
    """From uint8 frames to what a vision tower takes.

    Attributes:
        side: The shorter side is resized to this, the longer one in proportion, rounded down.
        crop: Take the middle square of this many pixels; None takes the whole picture.
        mode: Interpolation.
        antialias: Whether shrinking averages; VBench does not.
        eight_bit: Whether the resized picture is rounded to 0..255 again, as 8-bit pictures are.
        mean: Subtracted from RGB in 0..1.
        std: Divided by.
    """

    side: int
    crop: int | None
    mode: Mode
    antialias: bool
    eight_bit: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, frames: Tensor) -> Tensor:
        """Turn uint8 RGB (N, H, W, 3) into float32 (N, 3, h, w) on the same device."""
        pixels = resized_shorter(frames.permute(0, 3, 1, 2).float(), self.side, self.mode, self.antialias)
        if self.eight_bit:
            pixels = pixels.clamp(0, 255).round()
        if self.crop is not None:
            pixels = middle(pixels, self.crop)
        return normalised(pixels / 255, self.mean, self.std)


def resized_shorter(pixels: Tensor, side: int, mode: Mode, antialias: bool) -> Tensor:
    """Return (N, 3, H, W) with the shorter side resized to ``side``."""
    height, width = pixels.shape[2:]
    size = (side, int(side * width / height)) if height <= width else (int(side * height / width), side)
    return pixels if size == (height, width) else interpolated(pixels, size, mode, antialias)


def interpolated(pixels: Tensor, size: tuple[int, int], mode: Mode, antialias: bool) -> Tensor:
    """Return (N, 3, H, W) resized to ``size``, height first."""
    return functional.interpolate(pixels, size, mode=mode, align_corners=False, antialias=antialias)


def middle(pixels: Tensor, side: int) -> Tensor:
    """Return the middle square; of an odd margin the half is rounded to even, as torchvision does."""
    height, width = pixels.shape[2:]
    top, left = round((height - side) / 2), round((width - side) / 2)
    return pixels[:, :, top : top + side, left : left + side]


def normalised(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Return (N, 3, H, W) less the mean, divided by the deviation, by channel."""
    centre, spread = (pixels.new_tensor(value).view(1, -1, 1, 1) for value in (mean, std))
    return (pixels - centre) / spread


def to_tensor(frames: Frames, device: torch.device) -> Tensor:
    """Return a copy of uint8 frames on a device; the array may be read-only."""
    return torch.from_numpy(frames.copy()).to(device)
