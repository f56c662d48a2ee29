"""The control: the most recent keyframes and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.storyboard import BoardShot


class Recent(MemoryPolicy):
    """Recall the newest keyframes (StoryMem's ablation without a memory sink; forgets what was long ago)."""

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the last ``budget`` keyframes, oldest first."""
        return view[max(0, len(view) - budget) :]
