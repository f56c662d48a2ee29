"""Keyframes by meaning, as StoryMem chooses them (arXiv 2512.19539, section 3.3).

Embeds the clip once, then decides on numbers alone. Knows no encoder and no quality model.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.interfaces import ClipContext, FrameGate, Keyframe, KeyframeSelector, PluginSettings
from storymem.values.work import Rejection
from storymem_plugins.selection.frames import new_frames
from storymem_plugins.selection.likeness import clip_embeddings, closest_in_memory


class SemanticSettings(PluginSettings):
    """Settings of the ``semantic`` selector; the defaults are the paper's."""

    count: int = Field(3, ge=1, description="most keyframes of one shot")
    threshold: float = Field(0.9, ge=-1, le=1, description="a frame this similar to the last kept one is skipped")
    step: float = Field(0.01, ge=0.001, le=1, description="lower the threshold by this while too many are kept")
    memory_threshold: float = Field(
        0.9, ge=-1, le=1, description="a keyframe more similar than this to visible memory is dropped"
    )


class SemanticSelector(KeyframeSelector[SemanticSettings]):
    """StoryMem's semantic keyframe selection: a frame is kept where the picture has changed enough.

    The first frame that passes the filters is kept, then every frame from the third on that passes and whose cosine
    with the last kept one is under the threshold. While more than ``count`` are kept, the threshold is lowered by
    ``step`` and the search starts over. Last, what memory already shows is dropped. Filters are asked only
    about frames whose answer matters, and once each.
    """

    needs_encoder = True
    version = "2"

    def select(self, context: ClipContext, gate: FrameGate) -> list[Keyframe]:
        """See :meth:`KeyframeSelector.select`."""
        s, frames = self.settings, new_frames(context)
        rows = clip_embeddings(context)[frames.start :]
        kept, _ = choose(rows, lambda i: gate.passes(frames[i]), s.count, s.threshold, s.step)
        if not kept:
            return []
        new = self._not_in_memory([frames[i] for i in kept], context, gate)
        return [context.keyframe(i, gate.scores(i)) for i in new]

    def _not_in_memory(self, indices: list[int], context: ClipContext, gate: FrameGate) -> list[int]:
        """Return the frames that memory does not show yet; the others are recorded as refused."""
        closest, limit = closest_in_memory(context), self.settings.memory_threshold
        for i in indices:
            if closest[i] > limit:
                gate.rejections.append(Rejection(i, "semantic", 1 - float(closest[i]), 1 - limit, "already in memory"))
        return [i for i in indices if not closest[i] > limit]


def choose(
    rows: NDArray[np.float32],
    passes: Callable[[int], bool],
    count: int = 3,
    threshold: float = 0.9,
    step: float = 0.01,
) -> tuple[list[int], float]:
    """Choose at most ``count`` rows that differ.

    Args:
        rows: Unit embeddings in frame order, (n, D).
        passes: Whether a frame is good enough; asked lazily, perhaps repeatedly.
        count: Most rows to keep.
        threshold: First similarity threshold.
        step: How much it is lowered each time.

    Returns:
        Kept indices, ascending, and the threshold they were found with. The threshold is lowered by repeated
        subtraction in double precision, as the public code does: ``0.9 - 12 * 0.01`` is another number.
    """
    first = next((i for i in range(len(rows)) if passes(i)), None)
    if first is None:
        return [], threshold
    cosines = (rows @ rows.T).astype(np.float64)
    while len(kept := _walk(cosines, first, threshold, passes, count)) > count:
        threshold -= step
    return kept, threshold


def _walk(
    cosines: NDArray[np.float64], first: int, threshold: float, passes: Callable[[int], bool], count: int
) -> list[int]:
    """Return the kept indices for one threshold, giving up as soon as there are too many."""
    kept = [first]
    # The second frame is never compared: the public code begins at the third.
    for i in range(max(first + 1, 2), len(cosines)):
        if cosines[kept[-1], i] < threshold and passes(i):
            kept.append(i)
            if len(kept) > count:
                break
    return kept
