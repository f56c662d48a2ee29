"""Plans which earlier shots each shot remembers: full coverage on the shallowest graph.

The *depth* of a shot is the length of the longest chain of shots that ends with it; the deepest shot is the
critical path of the run. Shots are planned in story order. For each, the cover is chosen that (1) shows as many of
its needed entities as ``frames`` shots can, (2) among those, needs nothing deeper than necessary, (3) uses the fewest
shots, (4) the shallowest.

With ``frames`` large enough, step 2 gives every shot the least depth that any plan with full coverage can
give it: a shot must lie deeper than the shallowest earlier shot of each needed entity, that bound only falls
when earlier depths fall, and the plan meets it. Knows nothing of pictures.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

from storymem.script.cast import Cast
from storymem.values.keyframe import REFERENCE_POSITION
from storymem.values.storyboard import BoardShot, Storyboard
from storymem_memory_policies.covering import best_cover

#: Candidates considered for each needed entity, shallowest first; shorter stories are planned exactly.
REACH = 64
#: The same for stories longer than LONG shots, where planning would otherwise take seconds.
REACH_LONG = 20
LONG = 500
#: Candidates considered as second views, those first that show most.
VIEWS = 16
#: Shots with the same needed entities that are considered as second views of each other.
COPIES = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What every shot remembers.

    Attributes:
        remembered: For each position, the positions of the shots it remembers, ascending.
        depth: For each position, the longest chain of shots that ends with it; 1 for a shot that waits for
            none.
    """

    remembered: tuple[tuple[int, ...], ...]
    depth: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    position: int
    depth: int
    mask: int


def make_plan(board: Storyboard, cast: Cast, frames: int, miss: float = 0.0, anchor: int = 0) -> Plan:
    """Plan a whole story.

    Args:
        board: The story.
        cast: Its entities, shot by shot.
        frames: Most shots that one shot remembers, the anchor not counted; fewer where a shot overrides its budget.
        miss: Expected share of its shot's cast that a keyframe does not show. Above 0, frames that are left
            after covering go to second views, from shots that make the graph no deeper.
        anchor: How many of the story's first shots every later shot remembers besides, for the look of the
            film.
    """
    planner = _Planner(board, cast, frames, miss, anchor)
    for shot in board:
        planner.add(shot)
    return Plan(tuple(planner.remembered), tuple(planner.depth))


class _Planner:
    def __init__(self, board: Storyboard, cast: Cast, frames: int, miss: float, anchor: int) -> None:
        self.cast, self.frames, self.miss, self.anchor = cast, frames, miss, anchor
        self.remembered: list[tuple[int, ...]] = []
        self.depth: list[int] = []
        self._reach = REACH if len(board) <= LONG else REACH_LONG
        # For each entity, (depth, -size of cast, position) of shots that show it, best first.
        self._index: dict[str, list[tuple[int, int, int]]] = {}
        for entity in board.script.entities:
            if entity.references:
                self._index[entity.id] = [(0, -1, REFERENCE_POSITION)]

    def add(self, shot: BoardShot) -> None:
        """Plan the next shot in story order."""
        anchors = range(min(self.anchor, shot.position))
        waits = [*anchors, *([] if shot.cut else [shot.position - 1])]
        floor = max((self.depth[p] for p in waits), default=0)
        budget = shot.shot.overrides.budget
        frames = self.frames if budget is None else min(self.frames, budget)
        chosen = self._choose(self.cast.of(shot), floor, frames) if frames else []
        remembered = sorted({*anchors, *chosen})
        depth = 1 + max(floor, max((self.depth[p] for p in chosen), default=0))
        self.remembered.append(tuple(remembered))
        self.depth.append(depth)
        entities = self.cast.of(shot)
        for entity in entities:
            known = self._index.setdefault(entity, [])
            insort(known, (depth, -len(entities), shot.position))
            del known[self._reach :]

    def _choose(self, needed: Sequence[str], floor: int, frames: int) -> list[int]:
        candidates = self._candidates(needed)
        if not candidates:
            return []
        masks = [candidate.mask for candidate in candidates]
        goal = _held(masks, range(len(masks)))
        free, cover = _shallowest(candidates, masks, frames, goal, floor)
        if self.miss and len(cover) < frames:
            cover += _second_views(masks[:free], cover, frames - len(cover), self.miss)
        return [candidates[i].position for i in cover if candidates[i].position != REFERENCE_POSITION]

    def _candidates(self, needed: Sequence[str]) -> list[_Candidate]:
        """Return what shows any of ``needed``, shallowest first; of equal ones only as many as can be useful."""
        masks: dict[int, int] = {}
        for bit, entity in enumerate(needed):
            for _, _, position in self._index.get(entity, ()):
                # References share a position, but each shows one entity only.
                key = position if position != REFERENCE_POSITION else -1 - bit
                masks[key] = masks.get(key, 0) | 1 << bit
        alike: dict[int, list[tuple[int, int]]] = {}
        for key, mask in masks.items():
            alike.setdefault(mask, []).append((self.depth[key], key) if key >= 0 else (0, REFERENCE_POSITION))
        copies = COPIES if self.miss else 1
        found = [
            _Candidate(position, depth, mask)
            for mask, places in alike.items()
            for depth, position in (sorted(places)[:copies] if copies > 1 else (min(places),))
        ]
        return sorted(found, key=lambda c: (c.depth, c.position))


def _shallowest(
    candidates: Sequence[_Candidate], masks: Sequence[int], frames: int, goal: int, floor: int
) -> tuple[int, list[int]]:
    """Return how many candidates are no deeper than needed for the best cover, and that cover."""
    target = goal.bit_count()
    best: list[int] | None = None
    union = within = 0
    level = max(floor, candidates[0].depth)
    while True:
        while within < len(masks) and candidates[within].depth <= level:
            union |= masks[within]
            within += 1
        if union.bit_count() >= target:
            cover = best_cover(masks[:within], frames, goal)
            if _held(masks, cover).bit_count() >= target:
                return within, cover
            if best is None:  # not everything fits: how much would, at any depth?
                best = best_cover(masks, frames, goal)
                target = _held(masks, best).bit_count()
                union, within, level = 0, 0, max(floor, candidates[0].depth)
                continue
        level = candidates[within].depth


def _held(masks: Sequence[int], chosen: Sequence[int]) -> int:
    union = 0
    for index in chosen:
        union |= masks[index]
    return union


def _second_views(masks: Sequence[int], cover: Sequence[int], most: int, miss: float) -> list[int]:
    """Return further candidates, those first that raise the expected coverage most."""
    weights = [1.0] * max(mask.bit_length() for mask in masks)
    for index in cover:
        _use(weights, masks[index], miss)
    rest = sorted(set(range(len(masks))).difference(cover), key=lambda i: (-masks[i].bit_count(), i))[:VIEWS]
    views: list[int] = []
    while rest and len(views) < most:
        gains = [(-round(sum(w for bit, w in enumerate(weights) if masks[i] >> bit & 1), 9), i) for i in rest]
        best = min(gains)[1]
        views.append(best)
        rest.remove(best)
        _use(weights, masks[best], miss)
    return views


def _use(weights: list[float], mask: int, miss: float) -> None:
    for bit in range(len(weights)):
        if mask >> bit & 1:
            weights[bit] *= miss
