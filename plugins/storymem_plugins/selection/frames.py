"""What selectors and filters share: the new frames of a clip, and small grey versions of frames.

Knows no selector and no filter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from storymem.errors import MediaError
from storymem.interfaces import ClipContext
from storymem.media.clip import Frames


def new_frames(context: ClipContext) -> range:
    """Return the indices of the frames that do not repeat the previous shot; never empty.

    Raises:
        MediaError: The whole clip repeats the previous shot.
    """
    frames = range(context.first, len(context.clip))
    if not frames:
        raise MediaError(
            f"clip: all of its {len(context.clip)} frames repeat the previous shot: none to remember; "
            f"make the shot longer than {context.first} frames"
        )
    return frames


def small_luma(frame: Frames, side: int) -> NDArray[np.float32]:
    """Return the luma of a frame, shrunk so that its shorter side is ``side`` pixels; never enlarged.

    Args:
        frame: uint8 RGB (H, W, 3).
        side: Pixels.

    Returns:
        float32 (h, w), values 0..255; each pixel is the mean of the area it stands for.
    """
    grey = Image.fromarray(frame).convert("L")
    scale = side / min(grey.size)
    if scale < 1:
        grey = grey.resize((round(grey.width * scale), round(grey.height * scale)), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.float32)
