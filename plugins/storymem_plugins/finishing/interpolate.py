"""Another frame rate, by FFmpeg's motion-compensated interpolation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from storymem.errors import MediaError, SettingsError
from storymem.interfaces import Finisher, PluginSettings, Progress
from storymem.values.clip import Clip, Frames, VideoFormat

if TYPE_CHECKING:
    import av
    from av.filter.graph import Graph

#: FFmpeg looks for motion in blocks of 16 pixels, and at two of them at least.
_LEAST = 32
#: Repeats of the last frame after the end: FFmpeg gives out a frame only once it has seen two later ones.
_BEYOND = 3
_MODES = {"motion": "mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1", "blend": "blend", "repeat": "dup"}


class InterpolateSettings(PluginSettings):
    """Settings of :class:`Interpolate`.

    Attributes:
        fps: Frames per second of the film.
        mode: ``motion`` moves what moves, ``blend`` fades from frame to frame, ``repeat`` shows the nearest frame.
    """

    fps: Annotated[int, Field(ge=1, le=240)] = 24
    mode: Literal["motion", "blend", "repeat"] = "motion"


class Interpolate(Finisher[InterpolateSettings]):
    """Make motion smoother: frames at another rate, with what moves in between. Frames that are there stay exact."""

    def output(self, given: VideoFormat) -> VideoFormat:
        """Return the new rate."""
        if self.settings.fps != given.fps and min(given.width, given.height) < _LEAST:
            raise SettingsError(
                f"finish: interpolate needs {_LEAST} pixels on each side, not {given.width}x{given.height}; "
                "put resize before it"
            )
        return VideoFormat(given.width, given.height, self.settings.fps)

    def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
        """Interpolate within the clip; after its last frame that frame is held."""
        fps = self.output(clip.format).fps
        count = max(1, (2 * len(clip) * fps + clip.fps) // (2 * clip.fps))  # rounded to the nearest
        progress(0, count)
        if fps == clip.fps:
            return clip
        frames: list[Frames] = []
        for index, frame in enumerate(islice(self._interpolated(clip, fps), count)):
            progress(index, count)
            between = index * clip.fps % fps
            frames.append(frame if between else clip.frames[min(index * clip.fps // fps, len(clip) - 1)])
        if len(frames) < count:
            raise MediaError(
                f"interpolate: FFmpeg gave {len(frames)} frames, not {count}; this is a bug, please report it"
            )
        return Clip(np.stack(frames), fps)

    def _interpolated(self, clip: Clip, fps: int) -> Iterator[Frames]:
        """Yield frames at the new rate, past the end of the clip."""
        graph = _graph(clip, f"fps={fps}:mi_mode={_MODES[self.settings.mode]}")
        last = [clip.frames[-1]] * _BEYOND
        for index, frame in enumerate([*clip.frames, *last, None]):
            graph.push(None if frame is None else _planes(frame, index, clip.fps))
            yield from _ready(graph)


def _graph(clip: Clip, options: str) -> Graph:
    from av.filter import Graph

    graph = Graph()
    size, rate = f"video_size={clip.width}x{clip.height}", f"time_base=1/{clip.fps}"
    source = graph.add("buffer", f"{size}:pix_fmt=yuv444p:{rate}:pixel_aspect=1/1")
    graph.link_nodes(source, graph.add("minterpolate", options), graph.add("buffersink"))
    graph.configure()
    return graph


def _planes(frame: Frames, index: int, fps: int) -> av.VideoFrame:
    """Return a picture as FFmpeg interpolates it. It takes no RGB, so green, blue and red go as if they were YUV.

    No value is converted that way; motion is looked for in green, which is most of the brightness.
    """
    import av

    order: Sequence[int] = (1, 2, 0)
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:, :, order].transpose(2, 0, 1)), format="yuv444p")
    picture.pts, picture.time_base = index, Fraction(1, fps)
    return picture


def _ready(graph: Graph) -> Iterator[Frames]:
    import av

    while True:
        try:
            picture = graph.pull()
        except (av.BlockingIOError, av.EOFError):  # it wants more frames, or has given out all
            return
        assert isinstance(picture, av.VideoFrame)
        planes = np.asarray(picture.to_ndarray(format="yuv444p"), dtype=np.uint8)
        yield planes.transpose(1, 2, 0)[:, :, (2, 0, 1)]
