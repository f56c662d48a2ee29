"""Keyframes as different from each other, and from visible memory, as the clip allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.interfaces import ClipContext, FrameGate, Keyframe, KeyframeSelector, PluginSettings
from storymem_plugins.selection.frames import new_frames
from storymem_plugins.selection.likeness import clip_embeddings, closest_in_memory


class DiverseSettings(PluginSettings):
    """Settings of the ``diverse`` selector."""

    count: int = Field(3, ge=1, description="most keyframes of one shot")
    min_distance: float = Field(
        0.05, ge=0, le=2, description="least 1 - cosine to the keyframes chosen before and to visible memory"
    )


class DiverseSelector(KeyframeSelector[DiverseSettings]):
    """Greedy k-center: again and again the frame farthest from what is already held.

    Visible memory counts as held; without memory the first choice is the clip's most typical frame. The
    greedy choice leaves no frame more than twice as far (as an angle) from a keyframe as the best choice
    would (Gonzalez, 1985).
    """

    needs_encoder = True

    def select(self, context: ClipContext, gate: FrameGate) -> list[Keyframe]:
        """See :meth:`KeyframeSelector.select`."""
        first = new_frames(context).start
        rows = clip_embeddings(context)[first:].astype(np.float64)
        distance = 1 - closest_in_memory(context)[first:]
        typical = rows @ rows.mean(axis=0)
        chosen: list[int] = []
        refused = np.zeros(len(rows), dtype=bool)
        while len(chosen) < self.settings.count:
            index = self._farthest(distance, typical, refused)
            if index is None:
                break
            refused[index] = True
            if gate.passes(first + index):
                chosen.append(index)
                distance = np.minimum(distance, 1 - rows @ rows[index])
        return [context.keyframe(first + i, gate.scores(first + i)) for i in sorted(chosen)]

    def _farthest(
        self, distance: NDArray[np.float64], typical: NDArray[np.float64], refused: NDArray[np.bool_]
    ) -> int | None:
        """Return the untried frame farthest from what is held, the more typical of two, or None."""
        far = np.where(refused, -np.inf, distance)
        best = far.max()
        if best < self.settings.min_distance or best == -np.inf:
            return None
        return int(np.argmax(np.where(far == best, typical, -np.inf)))
