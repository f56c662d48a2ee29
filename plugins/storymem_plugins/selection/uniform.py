"""Evenly spaced keyframes. Looks at pixels only to leave out exact repeats."""

from __future__ import annotations

from pydantic import Field

from storymem.interfaces import ClipContext, FrameGate, Keyframe, KeyframeSelector, PluginSettings
from storymem_plugins.selection.frames import first_good, from_middle, new_frames


class UniformSettings(PluginSettings):
    """Settings of the ``uniform`` selector."""

    count: int = Field(3, ge=1, description="most keyframes of one shot")


class UniformSelector(KeyframeSelector[UniformSettings]):
    """Evenly spaced frames; a refused one is replaced by its nearest neighbour.

    The new frames are cut into ``count`` equal stretches. Of each, the frame nearest to the middle is taken
    that passes the filters and whose pixels are neither in visible memory nor taken already.
    """

    def select(self, context: ClipContext, gate: FrameGate) -> list[Keyframe]:
        """See :meth:`KeyframeSelector.select`."""
        seen = set(context.memory_ids)
        chosen = []
        for stretch in stretches(new_frames(context), self.settings.count):
            index = first_good(from_middle(stretch), context, gate, seen)
            if index is not None:
                chosen.append(context.keyframe(index, gate.scores(index)))
        return chosen


def stretches(frames: range, count: int) -> list[range]:
    """Cut ``frames`` into at most ``count`` runs of nearly equal length, none of them empty."""
    count = min(count, len(frames))
    bounds = [i * len(frames) // count for i in range(count + 1)]
    return [frames[bounds[i] : bounds[i + 1]] for i in range(count)]
