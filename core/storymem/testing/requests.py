"""Shot requests of pictures in memory, for tests of backbones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storymem.values.clip import Frames, pixel_hash
from storymem.values.keyframe import Keyframe
from storymem.values.request import Handover, ShotRequest


def shot_request(
    prompt: str,
    size: tuple[int, int],
    frames: int,
    seed: int = 0,
    *,
    memory: Sequence[Frames] = (),
    handover: Frames | None = None,
    **fields: Any,
) -> ShotRequest:
    """Return a request of shot 1.2.

    Args:
        prompt: The shot's text.
        size: (width, height) in pixels.
        frames: Number of frames, handed-over ones included.
        seed: Seed.
        memory: Recalled pictures, uint8 RGB (H, W, 3) each.
        handover: The previous shot's last frames, uint8 RGB (K, height, width, 3).
        fields: Further fields of :class:`ShotRequest`.
    """
    width, height = size
    return ShotRequest(
        **{
            "shot": "1.2",
            "prompt": prompt,
            "negative_prompt": None,
            "width": width,
            "height": height,
            "frames": frames,
            "seed": seed,
            "memory": tuple(Keyframe.of_picture(p, "1.1", 0, i) for i, p in enumerate(memory)),
            "handover": None if handover is None else handover_of(handover),
            **fields,
        }
    )


def handover_of(frames: Frames) -> Handover:
    """Return a hand-over of frames in memory, uint8 RGB (K, H, W, 3)."""
    return Handover(len(frames), pixel_hash(frames), frames=frames)
