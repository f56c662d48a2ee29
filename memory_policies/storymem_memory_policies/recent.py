"""The control: the most recent keyframes and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.values.storyboard import BoardShot


class Recent(MemoryPolicy):
    """Recall the newest keyframes; what was long ago is forgotten.

    Source: StoryMem's ablation without a memory sink (arXiv 2512.19539).
    Sees: all earlier shots. Cost: O(budget); fills the whole budget.
    """

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the last ``budget`` keyframes, oldest first."""
        return [keyframe.because("among the most recent") for keyframe in view[max(0, len(view) - budget) :]]
