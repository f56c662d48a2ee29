"""What a model's autoencoder leaves of true clips: the best that any film made with it can look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from storymem.values.clip import Clip

_LEAST_ERROR = 1e-3 * (2 / 255) ** 2  # a thousandth of a byte squared: equal pictures get a finite number


@runtime_checkable
class Autoencodes(Protocol):
    """A backbone whose clips come out of an autoencoder."""

    def reconstruct(self, clip: Clip) -> Clip:
        """The clip encoded and decoded again."""
        ...


def psnr(mean_squared_error: Tensor | float) -> float:
    """Signal-to-noise ratio in dB for an error in [-1, 1] units (peak 2)."""
    return float(10 * torch.log10(4 / torch.as_tensor(mean_squared_error).clamp(min=_LEAST_ERROR)))


def error_parts(error: Tensor) -> tuple[Tensor, Tensor]:
    """Error (B, 3, F, H, W) in [-1, 1] units -> mean squares of the frames (B, F), colour shifts (B,), 0 to 1.

    The shift is the mean change of the colour error from the first third of the frames to the last.
    """
    third = -(-error.shape[2] // 3)
    first, last = error[:, :, :third].mean((2, 3, 4)), error[:, :, -third:].mean((2, 3, 4))
    return error.square().mean((1, 3, 4)), (last - first).abs().mean(1) / 2


def error_numbers(squares: Tensor, shifts: Tensor) -> dict[str, float]:
    """How well clips come back, from their `error_parts`.

    Returns:
        psnr: Mean of the clips' own (dB); psnr_pooled: of the mean squared error over all clips, which the worst ones
        decide; colour_shift: mean.
    """
    return {
        "psnr": sum(psnr(clip) for clip in squares.mean(1)) / len(squares),
        "psnr_pooled": psnr(squares.mean()),
        "colour_shift": float(shifts.mean()),
    }


def reconstruction_numbers(true: Sequence[Clip], shown: Sequence[Clip]) -> dict[str, float]:
    """The `error_numbers` of clips of equal length."""
    parts = [error_parts(_clip_error(*pair)) for pair in zip(true, shown, strict=True)]
    squares, shifts = (torch.cat(part) for part in zip(*parts, strict=True))
    return error_numbers(squares, shifts)


def _clip_error(true: Clip, shown: Clip) -> Tensor:
    """What changed, (1, 3, F, H, W) in [-1, 1] units."""
    ours, theirs = (torch.tensor(clip.frames).float() for clip in (true, shown))
    return ((theirs - ours) * (2 / 255)).permute(3, 0, 1, 2).unsqueeze(0)
