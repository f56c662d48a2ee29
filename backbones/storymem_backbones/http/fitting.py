"""From a downloaded video to exactly the clip that was asked for.

The rule, in this order:

- A video of exactly the asked number of frames is taken frame by frame, whatever its frame rate says.
- Otherwise frames are taken at the times of the asked ones, so that motion keeps its speed: a longer video loses its
  end, one of another frame rate loses or repeats frames.
- A video that is up to a tenth shorter than asked is stretched to the length; one that is shorter still is refused.
- Another size is scaled to cover the asked one (Lanczos) and cropped around the centre; a video of which more than a
  quarter would be lost is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from storymem.media.files import media_errors
from storymem.values.clip import Frames
from storymem_backbones.http.errors import EngineError, Interrupted

MOST_STRETCH = 0.1  #: part of the asked length that may be missing
MOST_CROP = 0.25  #: part of the picture that may be cut off
_MAX_SIDE = 8192


@dataclass(frozen=True, slots=True)
class Wanted:
    """The clip that was asked for: its number of frames, width, height in pixels, and frame rate."""

    frames: int
    width: int
    height: int
    fps: int


def read_fitted(path: Path, wanted: Wanted) -> Frames:
    """Return the frames of a downloaded video, uint8 RGB (wanted.frames, wanted.height, wanted.width, 3).

    Raises:
        Interrupted: The file ends early or is damaged, as after a download that was cut off.
        MediaError: It is no video.
        EngineError: Length or shape are too far from what was asked.
    """
    pictures, rate = _decode(path, wanted)
    chosen = _times(len(pictures), rate, wanted)
    return np.stack([_fit(pictures[index], wanted) for index in chosen])


def _decode(path: Path, wanted: Wanted) -> tuple[list[Frames], float]:
    """Return as many frames as may be needed, and the frame rate."""
    import av

    pictures: list[Frames] = []
    with (
        media_errors("what the server sent is no video"),
        path.open("rb") as file,
        av.open(file, "r") as video,
    ):
        stream = video.streams.video[0]
        rate = float(stream.average_rate or wanted.fps)
        most = max(wanted.frames, round(wanted.frames * rate / wanted.fps)) + 1
        if max(stream.width, stream.height) > _MAX_SIDE:
            raise EngineError(
                f"the server made a video of {stream.width}x{stream.height}; at most {_MAX_SIDE} on a side"
            )
        for frame in video.decode(stream):
            pictures.append(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8))
            if len(pictures) == most:
                break
        # One frame less is no sign of a cut: a sound track may make the file a little longer than its pictures.
        promised = stream.frames or round((video.duration or 0) / av.time_base * rate) - 1
        if len(pictures) < min(promised, most):
            raise Interrupted(f"the video ends after {len(pictures)} of {promised} frames")
    return pictures, rate


def _times(count: int, rate: float, wanted: Wanted) -> list[int]:
    """Return for each asked frame the index of the frame that is shown then."""
    if count == wanted.frames:
        return list(range(count))
    asked = wanted.frames / wanted.fps
    there = count / rate
    if there < asked * (1 - MOST_STRETCH):
        raise EngineError(
            f"the server made {count} frames ({there:.2f} s), and {wanted.frames} ({asked:.2f} s) were asked for; "
            "ask for a length that it makes (frames, fps, frame_step)"
        )
    pace = min(rate / wanted.fps, count / wanted.frames)
    return [min(int(index * pace), count - 1) for index in range(wanted.frames)]


def _fit(picture: Frames, wanted: Wanted) -> Frames:
    height, width = picture.shape[:2]
    if (width, height) == (wanted.width, wanted.height):
        return picture
    scale = max(wanted.width / width, wanted.height / height)
    shown = (wanted.width / scale) * (wanted.height / scale) / (width * height)
    if shown < 1 - MOST_CROP:
        raise EngineError(
            f"the server made {width}x{height}, and {wanted.width}x{wanted.height} was asked for: {1 - shown:.0%} of "
            "the picture would be lost; ask for a size that it makes"
        )
    left, top = (width - wanted.width / scale) / 2, (height - wanted.height / scale) / 2
    box = (left, top, width - left, height - top)
    image = Image.fromarray(picture).resize((wanted.width, wanted.height), Image.Resampling.LANCZOS, box=box)
    return np.asarray(image)
