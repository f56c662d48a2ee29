"""Diversity: keyframes that differ from each other as much as possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView, PluginSettings
from storymem.values.storyboard import BoardShot
from storymem_memory_policies.ordering import in_view_order


class DiverseSettings(PluginSettings):
    """Settings of :class:`Diverse`.

    Attributes:
        sink: How many of the first keyframes are always recalled; the others are chosen to differ from them.
    """

    sink: Annotated[int, Field(ge=1)] = 1


class Diverse(MemoryPolicy[DiverseSettings]):
    """Add, one by one, the keyframe farthest from all recalled ones.

    Source: farthest-point traversal for the k-center problem (Gonzalez, 1985), within a factor 2 of the best cover of
    embedding space, seeded by the memory sink of StoryMem (section 3.3).
    Sees: all earlier shots. Cost: O(budget x keyframes x D), one cached image embedding a keyframe.
    """

    needs_encoder = True

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the sink and what differs most from it, in story order; ties go to the older keyframe."""
        if len(view) <= budget or not budget:
            return [keyframe.because("all of memory fits the budget") for keyframe in view[:budget]]
        sink = min(self.settings.sink, budget)
        chosen = list(range(sink))
        vectors = view.embeddings()
        nearest = np.max(vectors @ vectors[chosen].T, axis=1)
        nearest[chosen] = np.inf
        while len(chosen) < budget:
            farthest = int(np.argmin(nearest))
            chosen.append(farthest)
            nearest = np.maximum(nearest, vectors @ vectors[farthest])
            nearest[farthest] = np.inf
        first = [view[index].because("sink: among the story's first") for index in chosen[:sink]]
        rest = [view[index].because("differs most from what was chosen before") for index in chosen[sink:]]
        return in_view_order(view, [*first, *rest])
