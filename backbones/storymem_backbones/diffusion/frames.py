"""Between pictures (uint8 RGB arrays) and the pixels the VAE takes and makes (float tensors in [-1, 1])."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from storymem.values.clip import Frames
from storymem_backbones.diffusion.errors import ConditioningError


def as_rgb(image: Image.Image | NDArray[np.uint8]) -> Frames:
    """A picture of any mode as uint8 RGB (H, W, 3).

    Grey becomes RGB, transparency is laid on white, and a PIL image is turned upright by its EXIF
    orientation.

    Args:
        image: A PIL image, or uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    Raises:
        ConditioningError: If an array has another layout or type.
    """
    if isinstance(image, np.ndarray):
        layout = image.shape[2:] in ((), (1,), (3,), (4,)) and image.ndim in (2, 3) and image.size
        if image.dtype != np.uint8 or not layout:
            raise ConditioningError(f"memory image of type {image.dtype} and shape {image.shape}: give uint8 (H, W, 3)")
        image = Image.fromarray(image.squeeze(-1) if image.shape[2:] == (1,) else image)
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(upright.convert("RGB"))


def to_pixels(frames: Frames) -> Tensor:
    """Frames uint8 RGB (N, H, W, 3) as float32 pixels (N, 3, H, W) in [-1, 1]."""
    return torch.tensor(frames).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.5)


def to_frames(pixels: Tensor) -> Frames:
    """Pixels (3, F, H, W) as uint8 RGB (F, H, W, 3): clamped to [-1, 1] and rounded."""
    levels = pixels.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return levels.to(torch.uint8).permute(1, 2, 3, 0).cpu().numpy()
