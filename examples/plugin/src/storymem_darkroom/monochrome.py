"""A backbone around another backbone: the pattern for grading, watermarking, upscaling or logging."""

from __future__ import annotations

import numpy as np
from storymem.errors import PluginError
from storymem.interfaces import Backbone, Capabilities, PluginSettings, Progress, ShotRequest
from storymem.plugin import Kind, PluginHost
from storymem.settings import PluginChoice
from storymem.values.clip import Clip, Frames


class MonochromeSettings(PluginSettings):
    """Settings of :class:`Monochrome`.

    Attributes:
        inner: The backbone that makes the clips, with its settings.
    """

    inner: PluginChoice = PluginChoice(name="animatic")


class Monochrome(Backbone[MonochromeSettings]):
    """Clips of another backbone without colour. Memory is remembered as it was made, so without colour too."""

    def __init__(self, settings: MonochromeSettings | None = None) -> None:
        super().__init__(settings)
        inner = PluginHost().build(Kind.BACKBONE, self.settings.inner.name, self.settings.inner.settings)
        if not isinstance(inner, Backbone):
            raise PluginError(f"backbone monochrome: inner: {self.settings.inner.name!r} is not a backbone")
        self.inner = inner

    def capabilities(self) -> Capabilities:
        """Return what the inner backbone can make."""
        return self.inner.capabilities()

    def fingerprint(self) -> str:
        """Cover the inner backbone too: other weights there are other clips here."""
        return f"{super().fingerprint()}|{self.inner.fingerprint()}"

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Make the clip, then drop its colour; frames that were handed over stay as they are."""
        clip = self.inner.generate(request, progress)
        frames = luma(clip.frames)
        if request.handover_frames is not None:
            frames[: len(request.handover_frames)] = request.handover_frames
        return Clip(frames, clip.fps)

    def close(self) -> None:
        """Release the inner backbone."""
        self.inner.close()


def luma(frames: Frames) -> Frames:
    """Return uint8 RGB (T, H, W, 3) as grey of the same layout (ITU-R BT.709 weights)."""
    grey = np.rint(frames @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
