"""The newest look of everything a shot shows: right for stories in which people change their clothes."""

from __future__ import annotations

from collections.abc import Sequence

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.values.storyboard import BoardShot, Storyboard


class LastSeen(MemoryPolicy):
    """For each entity of the shot, recall the newest keyframe that shows it."""

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return the last shot of each entity, so that shots which share nothing are made side by side."""
        return sorted({p for entity in shot.entities for p in board.appearances(entity, shot.position)[-1:]})

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return one keyframe an entity, those of the entities listed first where the budget is short."""
        chosen: dict[str, Keyframe] = {}
        for entity in shot.entities:
            showing = [keyframe for keyframe in view if entity in keyframe.entities]
            if showing and len(chosen) < budget:
                chosen.setdefault(showing[-1].id, showing[-1])
        return [keyframe for keyframe in view if keyframe.id in chosen]
