"""From uint8 frames to what a vision tower takes. Plain torch; needs neither torchvision nor an image processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from storymem_plugins.encoders.settings import Fit
from storymem_plugins.extractors.pictures import middle, normalised, resized_shorter

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a model wants its pictures.

    Attributes:
        height: Pixels.
        width: Pixels.
        mean: Subtracted from RGB in 0..1.
        std: Divided by.
        interpolation: Of the resizing.
        fit: ``squash`` resizes to height x width; ``crop`` keeps the aspect and takes the middle; ``aliased_crop`` does
            so without antialiasing and without rounding to 8 bits, as VBench does.
    """

    height: int
    width: int
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    fit: Fit = "squash"

    def __call__(self, frames: Tensor) -> Tensor:
        """Turn uint8 RGB (N, H, W, 3) into float32 (N, 3, height, width) on the same device."""
        whole = frames.permute(0, 3, 1, 2)
        if self.fit == "aliased_crop":
            pixels = resized_shorter(whole.float(), self.height, self.interpolation, antialias=False)
            return normalised(middle(pixels, self.height) / 255, self.mean, self.std)
        pixels = self._middle(whole) if self.fit == "crop" else self._resize(whole, self.height, self.width)
        # Models were trained on 8-bit pictures, whose resizing rounds and saturates.
        pixels = pixels.float().round().clamp(0, 255) / 255
        mean, std = (pixels.new_tensor(value).view(1, 3, 1, 1) for value in (self.mean, self.std))
        return (pixels - mean) / std

    def _middle(self, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[2:]
        scale = max(self.height / height, self.width / width)
        new_height = max(self.height, int(height * scale + 1e-6))
        new_width = max(self.width, int(width * scale + 1e-6))
        pixels = self._resize(pixels, new_height, new_width)
        top, left = (new_height - self.height) // 2, (new_width - self.width) // 2
        return pixels[:, :, top : top + self.height, left : left + self.width]

    def _resize(self, pixels: Tensor, height: int, width: int) -> Tensor:
        if pixels.device.type != "cpu":
            pixels = pixels.float()  # only the CPU resizes uint8, and there it is 20 times faster
        return functional.interpolate(
            pixels, size=(height, width), mode=self.interpolation, antialias=True, align_corners=False
        )


def pick_device(wanted: str) -> torch.device:
    """Return the torch device for a ``device`` setting; ``auto`` is cuda where there is one."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)
