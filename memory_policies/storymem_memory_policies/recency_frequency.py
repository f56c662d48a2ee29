"""Recency and frequency: what was shown often and lately is likely to be shown again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from storymem.interfaces import Keyframe, MemoryView
from storymem.values.storyboard import BoardShot
from storymem_memory_policies.entity_policy import EntityPolicy, EntitySettings
from storymem_memory_policies.ordering import because_shows, in_view_order


class RecencyFrequencySettings(EntitySettings):
    """Settings of :class:`RecencyFrequency`.

    Attributes:
        decay: Weight of an appearance one shot ago; one that is n shots old counts ``decay ** n``. 1 counts
            all appearances alike (frequency), small values only the latest (recency).
    """

    decay: Annotated[float, Field(gt=0, le=1)] = 0.9


class RecencyFrequency(EntityPolicy[RecencyFrequencySettings]):
    """Score a keyframe by its entities' past appearances, each weighted by ``decay ** age``; recall the best.

    Source: the LRFU cache policy (Lee and others, 2001) on entities. It does not look at what this shot needs, so it
    is the control for schedule-aware policies.
    Sees: all earlier shots. Cost: O(appearances of visible entities + keyframes log keyframes).
    """

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the highest-scored keyframes in story order; ties go to the newer one."""
        cast = self.cast(view.board)
        seen_once = {entity: None for keyframe in view for entity in cast.shown(keyframe)}
        shown = self.shown(view, list(seen_once))
        decay, now = self.settings.decay, shot.position
        value = {e: sum(decay ** (now - p) for p in cast.appearances(e, now)) for e in seen_once}

        def rank(index: int) -> tuple[float, float, int]:
            keyframe = view[index]
            return -sum(value[e] for e in sorted(shown[keyframe.id])), -self.quality(keyframe), -index

        order = sorted(range(len(view)), key=rank)
        chosen = [because_shows(view[i], shown[view[i].id], list(seen_once)) for i in order[:budget]]
        return in_view_order(view, chosen)
