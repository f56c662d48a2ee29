"""An entity bank: one verified reference for each entity, recalled by the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from storymem.interfaces import Keyframe, MemoryView
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_memory_policies.entity_policy import EntityPolicy, EntitySettings
from storymem_memory_policies.ordering import in_view_order


class EntityBankSettings(EntitySettings):
    """Settings of :class:`EntityBank`.

    Attributes:
        tries: The reference of an entity is chosen from its first ``tries`` shots.
    """

    tries: Annotated[int, Field(ge=1)] = 3


class EntityBank(EntityPolicy[EntityBankSettings]):
    """Recall one keyframe per needed entity, the same one once ``tries`` shots have shown it.

    Source: EntityMem's entity bank. A reference image of the script wins; otherwise it is the best-scored keyframe of
    the entity's first ``tries`` shots. With ``shown="similarity"`` a keyframe is verified: it counts only if the
    encoder finds the entity in it.
    Sees: ``tries`` shots an entity. Cost: O(keyframes x needed entities); one keyframe an entity, at most.
    """

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return the first ``tries`` shots of each needed entity."""
        cast = self.cast(board)
        return sorted({p for e in cast.of(shot) for p in cast.appearances(e, shot.position)[: self.settings.tries]})

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the bank's entries for the shot's entities, in story order; first listed, first served."""
        cast = self.cast(view.board)
        shown = self.shown(view, cast.of(shot))
        chosen: dict[str, Keyframe] = {}
        for entity in cast.of(shot):
            tried = {-1, *cast.appearances(entity, shot.position)[: self.settings.tries]}
            entries = [k for k in view if entity in shown[k.id] and k.position in tried]
            if entries:
                best = max(entries, key=lambda k: (k.is_reference, self.quality(k)))
                chosen.setdefault(best.id, best.because(f"the bank's picture of {entity}"))
        return in_view_order(view, list(chosen.values())[:budget])
