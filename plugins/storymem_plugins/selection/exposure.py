"""Refuses frames that show nothing: black, white, or one flat colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.interfaces import ClipContext, FrameFilter, PluginSettings, Verdict
from storymem_plugins.selection.frames import small_luma

_SIDE = 96
_DARK, _BRIGHT = 48.0, 208.0


class ExposureSettings(PluginSettings):
    """Settings of the ``exposure`` filter."""

    spread: float = Field(
        20.0,
        ge=0,
        le=255,
        description="least difference of the brightest and darkest hundredth, luma 0..255",
    )


class ExposureFilter(FrameFilter[ExposureSettings]):
    """Rejects frames that are all black, all white or flat.

    The score is the difference between the 99th and the 1st percentile of luma, 0..255, so that a few stray
    pixels do not save an empty frame.
    """

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        """See :meth:`FrameFilter.judge`."""
        return [self._verdict(small_luma(context.clip.frames[index], _SIDE)) for index in indices]

    def _verdict(self, luma: NDArray[np.float32]) -> Verdict:
        low, high = np.percentile(luma, [1, 99])
        needed = self.settings.spread
        if high - low >= needed:
            return Verdict(True, float(high - low), needed)
        mean = float(luma.mean())
        look = "black" if mean < _DARK else "white" if mean > _BRIGHT else "flat"
        return Verdict(False, float(high - low), needed, f"{look} frame")
