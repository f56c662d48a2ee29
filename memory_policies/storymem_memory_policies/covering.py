"""Set cover, greedy and exact: which few of many sets hold as much as possible of what is needed.

Knows nothing of keyframes or shots: sets are frozensets or bit masks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any


def greedy_order(
    sets: Sequence[Collection[str]],
    needed: Collection[str],
    most: int,
    prefer: Callable[[int], Any],
    miss: float = 0.0,
) -> list[int]:
    """Choose sets one by one, each time the one that adds most; a shorter answer is a prefix of a longer one.

    A set that holds an element really has it with probability ``1 - miss``, so an element held by c chosen
    sets is still missing with probability ``miss ** c``. Greedy reaches at least 1 - 1/e of the best expected
    coverage
    (Nemhauser, Wolsey and Fisher, 1978). Cost: O(most x sets x needed).

    Args:
        sets: What each candidate holds.
        needed: What must be held.
        most: Largest number of candidates to choose.
        prefer: Sort key of a candidate's index, smallest first, among candidates that add equally much.
        miss: 0 stops as soon as everything is held once; more continues while it helps.

    Returns:
        Indices into ``sets``, in the order of choice.
    """
    weight = dict.fromkeys(needed, 1.0)
    left = {i: [e for e in members if e in weight] for i, members in enumerate(sets)}
    left = {i: members for i, members in left.items() if members}
    order: list[int] = []
    while left and len(order) < most:
        best = min(left, key=lambda i: (-round(sum(weight[e] for e in left[i]), 9), prefer(i)))
        if sum(weight[e] for e in left[best]) < 1e-9:
            break
        order.append(best)
        for element in left.pop(best):
            weight[element] *= miss
    return order


def best_cover(masks: Sequence[int], most: int, goal: int, effort: int = 20_000) -> list[int]:
    """Choose at most ``most`` masks, and no more than needed, that together hold most bits of ``goal``.

    Exact by breadth-first search over unions while no more than ``effort`` unions were tried; the greedy
    answer where that is not enough. Earlier masks are preferred.

    Returns:
        Indices into ``masks``.
    """
    rough = _greedy_masks(masks, most, goal)
    if len(rough) <= 1 or (len(rough) == 2 and _union(masks, rough) & goal == goal):
        return rough  # one set was not enough, so two cannot be beaten
    useful = _maximal([mask & goal for mask in masks])
    reached: dict[int, tuple[int, ...]] = {0: ()}
    layer = dict(reached)
    for _ in range(min(most, len(useful))):
        effort -= len(layer) * len(useful)
        if effort < 0:
            return rough
        layer = _extend(layer, masks, useful, goal, reached)
        if goal in layer:
            return list(layer[goal])
    best = max(reached, key=lambda union: (union.bit_count(), -len(reached[union])))
    return list(reached[best])


def _extend(
    layer: dict[int, tuple[int, ...]],
    masks: Sequence[int],
    useful: Sequence[int],
    goal: int,
    reached: dict[int, tuple[int, ...]],
) -> dict[int, tuple[int, ...]]:
    fresh: dict[int, tuple[int, ...]] = {}
    for union, chosen in layer.items():
        for index in useful:
            wider = union | (masks[index] & goal)
            if wider not in reached:
                reached[wider] = fresh[wider] = (*chosen, index)
    return fresh


def _greedy_masks(masks: Sequence[int], most: int, goal: int) -> list[int]:
    chosen: list[int] = []
    left = goal
    while left and len(chosen) < most and masks:
        best = max(range(len(masks)), key=lambda i: ((masks[i] & left).bit_count(), -i))
        if not masks[best] & left:
            break
        chosen.append(best)
        left &= ~masks[best]
    return chosen


def _union(masks: Sequence[int], chosen: Sequence[int]) -> int:
    union = 0
    for index in chosen:
        union |= masks[index]
    return union


def _maximal(masks: Sequence[int]) -> list[int]:
    """Return indices of the masks that no other mask contains, the first of equal ones."""
    kept: list[int] = []
    for index in sorted(range(len(masks)), key=lambda i: (-masks[i].bit_count(), i)):
        if masks[index] and not any(masks[index] & ~masks[k] == 0 for k in kept):
            kept.append(index)
    return sorted(kept)
