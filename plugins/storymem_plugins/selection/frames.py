"""What selectors and filters share: the new frames of a clip, orders to try them in, and small versions.

Knows no selector and no filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from storymem.errors import MediaError
from storymem.interfaces import ClipContext, FrameGate
from storymem.values.clip import Frames


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


def from_middle(stretch: range) -> Sequence[int]:
    """Return the indices of ``stretch``, nearest to its middle first, the earlier of two."""
    middle = stretch[len(stretch) // 2]
    return sorted(stretch, key=lambda index: (abs(index - middle), index))


def first_good(order: Iterable[int], context: ClipContext, gate: FrameGate, seen: set[str]) -> int | None:
    """Return the first frame of ``order`` that repeats no picture and passes the gate, or None.

    Args:
        order: Frame indices.
        context: The clip.
        gate: The run's filters.
        seen: Pixel hashes that must not be repeated; that of the returned frame is added.
    """
    for index in order:
        picture = context.id_of(index)
        if picture not in seen and gate.passes(index):
            seen.add(picture)
            return index
    return None


def thumbnail(frame: Frames, side: int) -> NDArray[np.uint8]:
    """Return uint8 RGB (H, W, 3) squashed to (side, side, 3); each pixel is the mean of its area."""
    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BOX))


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
