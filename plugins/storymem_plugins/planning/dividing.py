"""Divides shots among scenes and sentences among shots: small exact arithmetic that planners share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def allot(weights: Sequence[int], total: int) -> list[int]:
    """Return how many of ``total`` each part gets: at least one each, the rest by weight, exact in sum.

    Args:
        weights: Size of each part, 1 or more.
        total: At least the number of parts.
    """
    spare, whole = total - len(weights), sum(weights)
    shares = [weight * spare / whole for weight in weights]
    counts = [int(share) for share in shares]
    by_rest = sorted(range(len(weights)), key=lambda i: (counts[i] - shares[i], i))
    for i in by_rest[: spare - sum(counts)]:
        counts[i] += 1
    return [count + 1 for count in counts]


def split_evenly(items: Sequence[T], parts: int) -> list[list[T]]:
    """Return ``items`` as ``parts`` consecutive lists whose lengths differ by at most one; none is empty.

    Args:
        items: At least ``parts`` of them.
        parts: 1 or more.
    """
    borders = [i * len(items) // parts for i in range(parts + 1)]
    return [list(items[start:end]) for start, end in pairwise(borders)]


def merge_down(groups: Sequence[list[T]], most: int) -> list[list[T]]:
    """Return at most ``most`` groups, joining neighbours evenly where there are more."""
    if len(groups) <= most:
        return [list(group) for group in groups]
    return [[item for group in joined for item in group] for joined in split_evenly(groups, most)]
