"""Another size, by FFmpeg's Lanczos filter."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from storymem.interfaces import Finisher, PluginSettings, Progress
from storymem.settings.model import Size
from storymem.values.clip import Clip, Frames, VideoFormat


class ResizeSettings(PluginSettings):
    """Settings of :class:`Resize`.

    Attributes:
        size: (width, height) in pixels, or ``"1280x768"``; None to go by ``scale``.
        scale: Factor of both sides; the result is rounded to even numbers, which H.264 needs.
    """

    size: Size | None = None
    scale: Annotated[float, Field(gt=0, le=16)] = 2.0


class Resize(Finisher[ResizeSettings]):
    """Scale every frame by Lanczos interpolation; invents no detail."""

    def output(self, given: VideoFormat) -> VideoFormat:
        """Return the new size."""
        if self.settings.size is not None:
            return VideoFormat(*self.settings.size, given.fps)
        width, height = (max(2, 2 * round(side * self.settings.scale / 2)) for side in (given.width, given.height))
        return VideoFormat(width, height, given.fps)

    def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
        """Scale frame by frame."""
        size = self.output(clip.format)
        frames = np.empty((len(clip), size.height, size.width, 3), dtype=np.uint8)
        for index, frame in enumerate(clip.frames):
            progress(index, len(clip))
            for channel in range(3):
                frames[index, :, :, channel] = _scaled(frame[:, :, channel], size)
        return Clip(frames, clip.fps)


def _scaled(plane: Frames, size: VideoFormat) -> Frames:
    """Scale one colour, (H, W): FFmpeg takes whole RGB pictures through YUV, which softens coloured lines."""
    import av

    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(plane), format="gray")
    large = picture.reformat(size.width, size.height, interpolation="LANCZOS")
    return np.asarray(large.to_ndarray(), dtype=np.uint8)
