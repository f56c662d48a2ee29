"""No memory: every shot stands alone, and all shots that are cuts can be made at once."""

from __future__ import annotations

from collections.abc import Sequence

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.values.storyboard import BoardShot, Storyboard


class NoMemory(MemoryPolicy):
    """Recall nothing: the baseline that memory is measured against.

    Source: the memory-free baselines of StoryMem, table 1 (arXiv 2512.19539).
    Sees: no shot. Cost: none, and all cuts may be made at once.
    """

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return no shot."""
        return ()

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return no keyframe."""
        return ()

    def admit(self, shot: BoardShot, candidates: Sequence[Keyframe], view: MemoryView) -> Sequence[Keyframe]:
        """Keep no keyframe."""
        return ()
