"""What a model's autoencoder leaves of true clips: the best that any film made with it can look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from storymem.media.clip import Clip

_PEAK = 255.0


@runtime_checkable
class Autoencodes(Protocol):
    """A backbone whose clips come out of an autoencoder."""

    def reconstruct(self, clip: Clip) -> Clip:
        """The clip encoded and decoded again."""
        ...


def psnr(squared_error: float) -> float:
    """Signal-to-noise ratio in dB of a mean squared difference in 0..255 squared."""
    return float(10 * np.log10(_PEAK**2 / max(squared_error, 1e-3)))


def reconstruction_numbers(true: Sequence[Clip], shown: Sequence[Clip]) -> dict[str, float]:
    """How well clips come back.

    Returns:
        psnr: Mean of the clips' own (dB); psnr_pooled: of the mean squared error over all clips, which the worst ones
        decide; colour_shift: mean change of the colour error from the first third of the frames to the last, 0 to 1.
    """
    squares = [
        float(np.square(ours.frames.astype(np.float64) - theirs.frames).mean())
        for ours, theirs in zip(true, shown, strict=True)
    ]
    return {
        "psnr": float(np.mean([psnr(square) for square in squares])),
        "psnr_pooled": psnr(float(np.mean(squares))),
        "colour_shift": float(np.mean(list(_shifts(true, shown)))),
    }


def _shifts(true: Sequence[Clip], shown: Sequence[Clip]) -> Iterator[float]:
    for ours, theirs in zip(true, shown, strict=True):
        colours = (theirs.frames.astype(np.float64) - ours.frames).mean((1, 2))  # (F, 3)
        third = -(-len(colours) // 3)
        yield float(np.abs(colours[-third:].mean(0) - colours[:third].mean(0)).mean() / _PEAK)
