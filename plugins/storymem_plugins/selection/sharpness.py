"""Refuses blurred frames, by the variance of the Laplacian."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.interfaces import ClipContext, FrameFilter, PluginSettings, Verdict
from storymem_plugins.selection.frames import small_luma


class SharpnessSettings(PluginSettings):
    """Settings of the ``sharpness`` filter."""

    # Real generated frames reach it, the same ones blurred to mush do not; plain drawings have 80 and more
    # (benchmarks/results/real_selection.md).
    threshold: float = Field(30.0, ge=0, description="least variance of the Laplacian of luma 0..255")
    side: int = Field(96, ge=16, description="measured with the shorter side shrunk to this many pixels")


class SharpnessFilter(FrameFilter[SharpnessSettings]):
    """Rejects frames without sharp edges.

    The score is the variance of the 4-neighbour Laplacian of luma (0..255) after shrinking the frame to
    ``side``, so that one threshold serves every resolution.
    """

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        """See :meth:`FrameFilter.judge`."""
        frames, side, needed = context.clip.frames, self.settings.side, self.settings.threshold
        scores = [laplacian_variance(small_luma(frames[index], side)) for index in indices]
        return [Verdict(s >= needed, s, needed, "" if s >= needed else "blurred") for s in scores]


def laplacian_variance(luma: NDArray[np.float32]) -> float:
    """Return the variance of the 4-neighbour Laplacian of (h, w); the border repeats its pixels."""
    padded = np.pad(luma, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return float(np.var(around - 4 * luma))
