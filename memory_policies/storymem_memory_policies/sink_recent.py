"""StoryMem's own policy: a sink of first keyframes plus a window of recent ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView, PluginSettings
from storymem.values.storyboard import BoardShot


class SinkRecentSettings(PluginSettings):
    """Settings of :class:`SinkRecent`.

    Attributes:
        sink: How many of the first keyframes are always recalled.
    """

    sink: Annotated[int, Field(ge=0)] = 3


class SinkRecent(MemoryPolicy[SinkRecentSettings]):
    """Recall the first ``sink`` keyframes and the most recent ones (StoryMem, arXiv 2512.19539, section 3.3).

    Sees: all earlier shots. Cost: O(budget); fills the whole budget.
    """

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return everything while it fits, else the sink and the newest, in story order."""
        if len(view) <= budget:
            return [keyframe.because("all of memory fits the budget") for keyframe in view]
        sink = min(self.settings.sink, budget)
        first = [keyframe.because("sink: among the story's first") for keyframe in view[:sink]]
        newest = view[len(view) - (budget - sink) :]
        return [*first, *(keyframe.because("among the most recent") for keyframe in newest)]
