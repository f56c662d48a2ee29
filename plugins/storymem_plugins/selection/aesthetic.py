"""Refuses plain or ugly frames, by a small head on the run's CLIP embeddings. Knows neither model nor training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.errors import SettingsError
from storymem.interfaces import ClipContext, FrameFilter, PluginSettings, Verdict
from storymem_plugins.selection.frames import new_frames
from storymem_plugins.selection.heads import read_head
from storymem_plugins.selection.likeness import clip_embeddings


class AestheticSettings(PluginSettings):
    """Settings of the ``aesthetic`` filter."""

    head: Path = Field(description="head file (.safetensors or .pth) trained for the run's encoder")
    mode: Literal["threshold", "top_k"] = Field(
        "threshold", description="keep frames that reach the threshold, or the best of each clip"
    )
    threshold: float = Field(4.5, description="least score in threshold mode, usually 1..10")
    top_k: int = Field(16, ge=1, description="how many of a clip's frames pass in top_k mode")


class AestheticFilter(FrameFilter[AestheticSettings]):
    """LAION-style aesthetic predictor: a linear or MLP head on unit CLIP embeddings.

    The head belongs to one encoder: LAION's own are for ViT-L/14 (768 numbers) cropped to the middle.
    """

    needs_encoder = True

    def __init__(self, settings: AestheticSettings) -> None:
        super().__init__(settings)
        self._head = read_head(settings.head)
        self._scores: WeakKeyDictionary[ClipContext, NDArray[np.float64]] = WeakKeyDictionary()

    def __reduce__(self) -> tuple[type[AestheticFilter], tuple[AestheticSettings]]:
        return type(self), (self.settings,)  # another process reads the head itself

    def fingerprint(self) -> str:
        """See :meth:`Plugin.fingerprint`; the head's content counts, not its place."""
        s, head = self.settings, hashlib.sha256(self.settings.head.read_bytes()).hexdigest()
        return f"aesthetic/{self.version}/{s.mode}/{s.threshold}/{s.top_k}/{head}"

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        """See :meth:`FrameFilter.judge`."""
        scores = self._all_scores(context)
        if self.settings.mode == "threshold":
            needed = self.settings.threshold
            kept = {i for i in indices if scores[i] >= needed}
        else:
            frames = new_frames(context)
            best = sorted(frames, key=lambda i: (-scores[i], i))[: self.settings.top_k]
            kept, needed = set(best), float(scores[best[-1]])
        return [self._verdict(i in kept, float(scores[i]), needed) for i in indices]

    def _verdict(self, keep: bool, score: float, needed: float) -> Verdict:
        if keep:
            return Verdict(True, score, needed)
        among = f"not among the clip's best {self.settings.top_k}"
        return Verdict(False, score, needed, "low aesthetic score" if self.settings.mode == "threshold" else among)

    def _all_scores(self, context: ClipContext) -> NDArray[np.float64]:
        if context not in self._scores:
            rows = clip_embeddings(context)
            if rows.shape[1] != len(self._head.weight):
                raise SettingsError(
                    f"aesthetic head {self.settings.head.name} takes embeddings of {len(self._head.weight)} "
                    f"numbers, but encoder {type(context.encoder).__name__} gives {rows.shape[1]}; "
                    "use the encoder it was trained for"
                )
            self._scores[context] = self._head(rows)
        return self._scores[context]
