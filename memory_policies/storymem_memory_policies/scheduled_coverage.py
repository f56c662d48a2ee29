"""Coverage planned with the graph: show every needed entity, from shots that can be ready early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from weakref import WeakKeyDictionary

from pydantic import Field

from storymem.interfaces import Keyframe, MemoryView
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_memory_policies.covering import greedy_order
from storymem_memory_policies.entity_policy import EntityPolicy, EntitySettings
from storymem_memory_policies.ordering import because_shows, in_view_order
from storymem_memory_policies.planning import Plan, make_plan


class ScheduledCoverageSettings(EntitySettings):
    """Settings of :class:`ScheduledCoverage`.

    Attributes:
        frames: Most shots that one shot remembers, and most keyframes it recalls, the anchor not counted.
        miss: Expected share of its shot's cast that a keyframe does not show. Above 0 each entity gets second and
            third views while ``frames`` allows; 0 recalls the fewest keyframes, and suits verified ones.
        anchor: How many of the story's first shots every later shot remembers besides.
    """

    frames: Annotated[int, Field(ge=1, le=64)] = 4
    miss: Annotated[float, Field(ge=0, lt=1)] = 0.3
    anchor: Annotated[int, Field(ge=0, le=8)] = 0


class ScheduledCoverage(EntityPolicy[ScheduledCoverageSettings]):
    """Cover all needed entities by few keyframes of shots that lie early in the graph.

    This project's own. The memory of every shot is planned from the script before the run (see
    :mod:`storymem_memory_policies.planning`), so a shot waits only for the shots whose keyframes it will get, and the
    critical path is the shortest that full coverage allows. Recall picks, from those shots, the keyframe that shows
    most of what is still uncovered; ties go to the shallower shot, then to the better score.

    Sees: at most ``frames + anchor`` shots. Cost: a plan once per story, a fraction of a millisecond a shot;
    recall O(frames x keyframes). The anchor makes every shot wait for the first ones.
    """

    def __init__(self, settings: ScheduledCoverageSettings | None = None) -> None:
        super().__init__(settings)
        self._plans: WeakKeyDictionary[Storyboard, Plan] = WeakKeyDictionary()

    def plan(self, board: Storyboard) -> Plan:
        """Return the plan of a story; worked out once per storyboard."""
        if board not in self._plans:
            own = self.settings
            self._plans[board] = make_plan(board, self.cast(board), own.frames, own.miss, own.anchor)
        return self._plans[board]

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return the planned shots."""
        return self.plan(board).remembered[shot.position]

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return a cover of the shot's entities and the anchor, in story order.

        More budget never loses an entity: the cover is chosen greedily, and the anchor only gets what is
        left.
        """
        needed, depth = self.cast(view.board).of(shot), self.plan(view.board).depth
        shown = self.shown(view, needed)

        def prefer(index: int) -> tuple[int, float, int]:
            keyframe = view[index]
            return (0 if keyframe.is_reference else depth[keyframe.position]), -self.quality(keyframe), index

        most = min(budget, self.settings.frames)
        order = greedy_order([shown[k.id] for k in view], needed, most, prefer, self.settings.miss)
        chosen = [because_shows(view[i], shown[view[i].id], needed) for i in order]
        return in_view_order(view, [*chosen, *self._anchors(view, chosen, budget - len(chosen))])

    def _anchors(self, view: MemoryView, chosen: Sequence[Keyframe], room: int) -> list[Keyframe]:
        taken = {keyframe.position for keyframe in chosen}
        best: list[Keyframe] = []
        for position in range(self.settings.anchor):
            frames = [keyframe for keyframe in view if keyframe.position == position]
            if frames and position not in taken:
                best.append(max(frames, key=self.quality).because("anchor: one of the story's first shots"))
        return best[:room]
