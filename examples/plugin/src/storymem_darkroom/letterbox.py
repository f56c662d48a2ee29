"""Frames with black bars make poor memories: the model repeats the bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from storymem.interfaces import ClipContext, FrameFilter, PluginSettings, Verdict
from storymem.values.clip import Frames


class LetterboxSettings(PluginSettings):
    """Settings of :class:`Letterbox`.

    Attributes:
        picture: Share of the height, 0..1, that must be picture.
        black: Rows whose brightest value, 0..255, is at most this count as black.
    """

    picture: Annotated[float, Field(ge=0, le=1)] = 0.95
    black: Annotated[int, Field(ge=0, le=255)] = 12


class Letterbox(FrameFilter[LetterboxSettings]):
    """Refuse frames with black bars above and below."""

    def judge(self, indices: Sequence[int], context: ClipContext) -> Sequence[Verdict]:
        """Score each frame by the share of its height between the bars."""
        needed = self.settings.picture
        scores = [self._picture(context.clip.frames[index]) for index in indices]
        return [Verdict(score >= needed, score, needed, "black bars") for score in scores]

    def _picture(self, frame: Frames) -> float:
        lit = (frame.max(axis=(1, 2)) > self.settings.black).nonzero()[0]
        return float(lit[-1] - lit[0] + 1) / len(frame) if len(lit) else 0.0
