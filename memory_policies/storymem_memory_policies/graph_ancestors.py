"""Graph ancestors: shots that share an entity or the camera, the most related and nearest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from storymem.interfaces import Keyframe, MemoryView
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_memory_policies.entity_policy import EntityPolicy, EntitySettings
from storymem_memory_policies.ordering import because_shows, in_view_order


class GraphAncestorsSettings(EntitySettings):
    """Settings of :class:`GraphAncestors`.

    Attributes:
        reach: Most earlier shots visible for each needed entity: its first and its latest appearances.
        sink: How many of the story's first shots are visible as well; their keyframes fill what budget is
            left.
    """

    reach: Annotated[int, Field(ge=1)] = 24
    sink: Annotated[int, Field(ge=0)] = 1


class GraphAncestors(EntityPolicy[GraphAncestorsSettings]):
    """Recall keyframes of related shots, by shared entities / (1 + distance in shots), then of the sink.

    Source: camera trees in multi-agent film making (a shot inherits from the shots its camera has seen). Shots joined
    without a cut are one camera, which counts as one shared entity.
    Sees: up to ``reach`` shots an entity, its camera's earlier shots, and the sink.
    Cost: O(keyframes log keyframes); fills the whole budget.
    """

    def sees(self, board: Storyboard, shot: BoardShot) -> Sequence[int]:
        """Return related shots and the sink."""
        sink = range(min(self.settings.sink, shot.position))
        related = self.sharing(board, shot, self.settings.reach)
        return sorted({*sink, *related, *_camera(board, shot, self.settings.reach)})

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the best-ranked keyframes in story order."""
        needed = self.cast(view.board).of(shot)
        shown = self.shown(view, needed)
        camera = set(_camera(view.board, shot, self.settings.reach))

        def rank(index: int) -> tuple[float, float, int]:
            keyframe = view[index]
            shared = len(shown[keyframe.id]) + (keyframe.position in camera)
            distance = 0 if keyframe.is_reference else shot.position - keyframe.position
            return -shared / (1 + distance), -self.quality(keyframe), index

        def useful(keyframe: Keyframe) -> bool:
            in_sink = 0 <= keyframe.position < self.settings.sink
            return bool(shown[keyframe.id]) or keyframe.position in camera or in_sink

        order = sorted((i for i, keyframe in enumerate(view) if useful(keyframe)), key=rank)

        def why(keyframe: Keyframe) -> Keyframe:
            if shown[keyframe.id]:
                return because_shows(keyframe, shown[keyframe.id], needed)
            return keyframe.because("same camera" if keyframe.position in camera else "sink: among the story's first")

        return in_view_order(view, [why(view[index]) for index in order[:budget]])


def _camera(board: Storyboard, shot: BoardShot, most: int) -> range:
    start = shot.position
    while not board.shots[start].cut and shot.position - start < most:
        start -= 1
    return range(start, shot.position)
