"""Refuses frames that visible memory already shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.interfaces import ClipContext, FrameFilter, Keyframe, PluginSettings, Verdict
from storymem.values.files import FileRef
from storymem.values.picture import read_png
from storymem_plugins.selection.frames import thumbnail
from storymem_plugins.selection.likeness import closest_in_memory

_SIDE = 32


class DuplicateSettings(PluginSettings):
    """Settings of the ``duplicate`` filter."""

    compare: Literal["pixels", "embedding"] = Field(
        "pixels", description="compare small pictures, or meanings (needs an encoder)"
    )
    distance: float | None = Field(
        None,
        ge=0,
        le=2,
        description="least distance to memory; by default 0.02 (pixels) or 0.1 (embedding)",
    )

    @property
    def needed(self) -> float:
        """The distance in force."""
        if self.distance is not None:
            return self.distance
        return 0.02 if self.compare == "pixels" else 0.1


class DuplicateFilter(FrameFilter[DuplicateSettings]):
    """Rejects frames that are nearly the same as a picture in visible memory.

    The score is the distance to the nearest remembered picture: root mean square difference of 32 x 32
    versions on a scale of 0..1, or 1 - cosine of the embeddings (0..2). It is 2 where memory is empty.
    """

    def __init__(self, settings: DuplicateSettings | None = None) -> None:
        super().__init__(settings)
        self.needs_encoder = self.settings.compare == "embedding"

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        """See :meth:`FrameFilter.judge`."""
        needed = self.settings.needed
        scores = self._distances(indices, context)
        return [Verdict(d >= needed, d, needed, "" if d >= needed else "already in memory") for d in scores]

    def _distances(self, indices: Sequence[int], context: ClipContext) -> list[float]:
        if not context.memory:
            return [2.0] * len(indices)
        if self.needs_encoder:
            return [float(d) for d in 1 - closest_in_memory(context)[list(indices)]]
        stored = np.stack([_remembered(keyframe) for keyframe in context.memory])
        return [_nearest(thumbnail(context.clip.frames[i], _SIDE), stored) for i in indices]


def _nearest(picture: NDArray[np.uint8], stored: NDArray[np.uint8]) -> float:
    difference = stored.astype(np.float32) - picture
    return float(np.sqrt(np.square(difference).mean(axis=(1, 2, 3)).min()) / 255)


@lru_cache(maxsize=4096)  # 3 KB each, by content id
def _small(picture: str, file: FileRef) -> NDArray[np.uint8]:
    del picture  # the key of the cache: the file may be elsewhere for another worker
    return thumbnail(read_png(file.path), _SIDE)


def _remembered(keyframe: Keyframe) -> NDArray[np.uint8]:
    if keyframe.pixels is not None or keyframe.file is None:
        return thumbnail(keyframe.load(), _SIDE)
    return _small(keyframe.id, keyframe.file)
