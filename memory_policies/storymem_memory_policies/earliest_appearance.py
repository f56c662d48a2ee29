"""Earliest appearance: an entity is remembered as it first looked."""

from __future__ import annotations

from collections.abc import Sequence

from storymem.interfaces import Keyframe, MemoryView
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_memory_policies.entity_policy import EntityPolicy
from storymem_memory_policies.ordering import in_view_order


class EarliestAppearance(EntityPolicy):
    """For each entity the shot shows, recall a keyframe of its earliest earlier shot.

    Source: SubjectAnchor's memory, restated in terms of a schedule. The first picture of an entity has drifted
    through the fewest generations. A keyframe that serves several entities is recalled once.
    Sees: one shot an entity. Cost: O(keyframes x needed entities); one keyframe an entity, at most.
    """

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return the first shot of each needed entity."""
        return self.sharing(board, shot, 1)

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the best-scored keyframe of each entity's first shot, entities in the script's order."""
        needed = self.cast(view.board).of(shot)
        shown = self.shown(view, needed)
        chosen: dict[str, Keyframe] = {}
        for entity in needed:
            showing = [keyframe for keyframe in view if entity in shown[keyframe.id]]
            if showing and not any(keyframe.id in chosen for keyframe in showing[:1]):
                first = [keyframe for keyframe in showing if keyframe.position == showing[0].position]
                best = max(first, key=self.quality)
                chosen[best.id] = best.because(f"earliest picture of {entity}")
        return in_view_order(view, list(chosen.values())[:budget])
