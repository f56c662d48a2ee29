"""Two queries: what this shot says, then what the whole story says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView, PluginSettings
from storymem.values.storyboard import BoardShot
from storymem_memory_policies.ordering import in_view_order
from storymem_memory_policies.prompt_topk import most_similar


class DualQuerySettings(PluginSettings):
    """Settings of :class:`DualQuery`.

    Attributes:
        shot_frames: How many keyframes the shot's prompt retrieves.
        story_frames: How many of the rest the story's overview retrieves.
    """

    shot_frames: Annotated[int, Field(ge=0)] = 5
    story_frames: Annotated[int, Field(ge=0)] = 3


class DualQuery(MemoryPolicy[DualQuerySettings]):
    """Recall the top keyframes for the shot's prompt, then the top of the rest for the story's overview.

    Source: Memento's dual query. A script without an overview has no second query; the first then stands
        alone.
    Sees: all earlier shots. Cost: two text embeddings a shot, one cached image embedding a keyframe.
    """

    needs_encoder = True

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return both retrievals in story order; where the budget is short the shot's comes first."""
        if not len(view) or not budget:
            return ()
        by_shot = most_similar(view, shot.prompt)[: self.settings.shot_frames]
        chosen = [view[index].because("most like this shot's prompt") for index in by_shot]
        overview = view.board.script.overview.strip()
        if overview:
            rest = [index for index in most_similar(view, overview) if index not in set(by_shot)]
            chosen += [view[i].because("most like the overview") for i in rest[: self.settings.story_frames]]
        return in_view_order(view, chosen[:budget])
