"""One keyframe for each stretch of a clip between visible changes. Compares colours; needs no model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.interfaces import ClipContext, FrameGate, Keyframe, KeyframeSelector, PluginSettings
from storymem.values.clip import Frames
from storymem_plugins.selection.frames import first_good, from_middle, new_frames, thumbnail

_SIDE = 64
_LEVELS = 4


class SceneChangeSettings(PluginSettings):
    """Settings of the ``scene_change`` selector."""

    count: int = Field(3, ge=1, description="most keyframes of one shot; the longest stretches win")
    # Finds as many cuts between real generated clips as TransNetV2 (benchmarks/results/real_selection.md).
    threshold: float = Field(
        0.25, gt=0, le=1, description="share of pixels whose colour class must change to start a new stretch"
    )


class SceneChangeSelector(KeyframeSelector[SceneChangeSettings]):
    """The middle of every stretch between changes of scene, cuts and slow changes alike.

    A new stretch starts where the colour histogram (4 x 4 x 4 classes) differs from that of the stretch's
    first frame by at least ``threshold`` in total variation. Of each stretch the frame nearest to its middle
    is taken that passes the filters and repeats no picture.
    """

    def select(self, context: ClipContext, gate: FrameGate) -> list[Keyframe]:
        """See :meth:`KeyframeSelector.select`."""
        frames = new_frames(context)
        histograms = [colour_histogram(context.clip.frames[i]) for i in frames]
        bounds = [*change_points(histograms, self.settings.threshold), len(frames)]
        parts = [frames[a:b] for a, b in pairwise(bounds)]
        longest = sorted(parts, key=lambda part: (-len(part), part.start))[: self.settings.count]
        seen = set(context.memory_ids)
        found = [first_good(from_middle(part), context, gate, seen) for part in longest]
        return [context.keyframe(i, gate.scores(i)) for i in sorted(i for i in found if i is not None)]


def colour_histogram(frame: Frames) -> NDArray[np.float64]:
    """Return the share of pixels in each of 64 colour classes, (64,), for uint8 RGB (H, W, 3)."""
    levels = (thumbnail(frame, _SIDE).astype(np.int64) * _LEVELS) >> 8
    classes = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]
    return np.asarray(np.bincount(classes.ravel(), minlength=_LEVELS**3) / classes.size)


def change_points(histograms: list[NDArray[np.float64]], threshold: float) -> list[int]:
    """Return the indices at which a stretch starts; the first is 0."""
    starts = [0]
    for i, histogram in enumerate(histograms):
        if np.abs(histogram - histograms[starts[-1]]).sum() / 2 >= threshold:
            starts.append(i)
    return starts
