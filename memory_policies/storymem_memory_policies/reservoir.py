"""Reservoir: a fair random sample of everything seen so far."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView, PluginSettings
from storymem.values.storyboard import BoardShot
from storymem_memory_policies.ordering import in_view_order


class ReservoirSettings(PluginSettings):
    """Settings of :class:`Reservoir`.

    Attributes:
        seed: Another seed, another sample.
    """

    seed: Annotated[int, Field(ge=0)] = 0


class Reservoir(MemoryPolicy[ReservoirSettings]):
    """Recall a uniform sample of all visible keyframes.

    Source: reservoir sampling (Vitter, 1985), in its bottom-k form: each keyframe gets a fixed random rank, a hash of
    seed and picture, and the lowest ranks are kept. So the sample depends neither on the order of arrival nor on a
    random state, and changes by at most one keyframe when one arrives.
    Sees: all earlier shots. Cost: O(keyframes log keyframes).
    """

    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        """Return the sample in story order."""

        def rank(keyframe: Keyframe) -> bytes:
            return hashlib.sha256(f"{self.settings.seed}/{keyframe.id}".encode()).digest()

        chosen = sorted(view, key=rank)[:budget]
        return in_view_order(view, [keyframe.because("drawn at random") for keyframe in chosen])
