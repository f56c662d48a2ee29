"""Retrieval by prompt: the keyframes that look most like what the next shot says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView, PluginSettings
from storymem.values.storyboard import BoardShot
from storymem_memory_policies.ordering import in_view_order


class PromptTopKSettings(PluginSettings):
    """Settings of :class:`PromptTopK`.

    Attributes:
        k: How many keyframes are retrieved. MemFlow uses 3 and finds more unstable.
        first_of_last: Whether the first keyframe of the newest visible shot is added.
    """

    k: Annotated[int, Field(ge=1)] = 3
    first_of_last: bool = True


class PromptTopK(MemoryPolicy[PromptTopKSettings]):
    """Recall the ``k`` keyframes most similar to the shot's prompt, and the first keyframe of the last shot.

    Source: MemFlow's narrative memory. The newest visible shot stands for the last one.
    Sees: all earlier shots. Cost: one text embedding a shot, one cached image embedding a keyframe.
    """

    needs_encoder = True

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the retrieved keyframes and the last shot's first, in story order.

        Where the budget is short, the retrieved win.
        """
        if not len(view) or not budget:
            return ()
        chosen = [
            view[i].because("most like this shot's prompt") for i in most_similar(view, shot.prompt)[: self.settings.k]
        ]
        if self.settings.first_of_last:
            last = view[-1].position
            first = next(keyframe for keyframe in view if keyframe.position == last)
            chosen.append(first.because("first of the shot before"))
        unique = list({keyframe.id: keyframe for keyframe in chosen}.values())
        return in_view_order(view, unique[:budget])


def most_similar(view: MemoryView, text: str) -> list[int]:
    """Return the indices of a view's keyframes, those most similar to ``text`` first; ties in story order."""
    return [int(index) for index in np.argsort(-view.text_similarity(text), kind="stable")]
