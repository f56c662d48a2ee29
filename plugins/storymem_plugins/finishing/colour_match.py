"""Colours held from shot to shot, where a shot continues the one before it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.interfaces import Finisher, PluginSettings, Progress
from storymem.values.clip import Clip, Frames

#: Deviations below this many levels say nothing about contrast: the picture is flat.
_FLAT = 1.0
_LEVELS = np.arange(256, dtype=np.float64)
#: Mean and standard deviation of red, green and blue in levels, (2, 3).
Statistics = NDArray[np.float64]


class ColourMatchSettings(PluginSettings):
    """Settings of :class:`ColourMatch`.

    Attributes:
        most: Largest correction at a join: of the mean as a share of the whole range, of the deviation as a factor
            less one. A larger difference is taken for another picture and corrected by this much only.
    """

    most: Annotated[float, Field(gt=0, le=1)] = 0.1


class ColourMatch(Finisher[ColourMatchSettings]):
    """Hold the colours of a chain of shots to its first one: mean and deviation of red, green and blue at each join.

    Every continued shot passes through the model once more, and each pass may shift colours a little in the same
    direction. Two shots join one frame apart, so what the six numbers change there beyond what movement changes from
    frame to frame on either side is drift. It is taken back over the whole shot, by one factor and one offset a colour.
    Drift inside a shot stays.
    """

    needs_previous = True

    def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
        """Return the clip with the drift at its beginning taken back."""
        progress(0, 1)
        if previous is None:
            return clip
        table = self._table(_statistics(clip.frames[0]), _drift(previous.frames[-2:], clip.frames[:2]))
        frames = np.stack([table[channel][clip.frames[..., channel]] for channel in range(3)], axis=-1)
        return Clip(frames, clip.fps)

    def _table(self, ours: Statistics, drift: Statistics) -> Frames:
        """Return what becomes of each level of each colour, (3, 256)."""
        most = self.settings.most
        mean, deviation = ours
        wanted = np.maximum(deviation - drift[1], 0)
        flat = np.minimum(deviation, wanted) < _FLAT
        gain = np.where(flat, 1.0, wanted / np.maximum(deviation, _FLAT)).clip(1 / (1 + most), 1 + most)
        shift = (-drift[0]).clip(-255 * most, 255 * most)
        levels = (_LEVELS[None] - mean[:, None]) * gain[:, None] + (mean + shift)[:, None]
        return np.asarray(np.rint(levels).clip(0, 255), dtype=np.uint8)


def _drift(before: Frames, after: Frames) -> Statistics:
    """Return how the statistics jump between the last frames of one shot and the first of the next, up to two each.

    From the jump is taken what movement explains: the mean of the steps on both sides, give or take half of what those
    differ by. Without that allowance a chain that never drifts would be changed a little more at each join.
    """
    step, next_step = _step(before), _step(after)
    jump = _statistics(after[0]) - _statistics(before[-1]) - (step + next_step) / 2
    allowance = np.abs(step - next_step) / 2
    return np.asarray(np.sign(jump) * np.maximum(np.abs(jump) - allowance, 0))


def _step(frames: Frames) -> Statistics:
    """Return by how much the statistics change from the first to the last of one or two frames."""
    return _statistics(frames[-1]) - _statistics(frames[0])


def _statistics(frame: Frames) -> Statistics:
    """Return mean and standard deviation of each colour of a frame (H, W, 3)."""
    return np.stack([frame.mean(axis=(0, 1)), frame.std(axis=(0, 1))])
