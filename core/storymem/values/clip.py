"""A clip of video in memory, and the hash of its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from storymem.errors import MediaError

#: uint8 RGB, layout (T, H, W, 3) for clips and (H, W, 3) for single frames, values 0..255.
Frames = NDArray[np.uint8]


def check_frames(frames: object, ndim: int, what: str) -> None:
    """Raise unless ``frames`` is a uint8 RGB array with ``ndim`` axes."""
    if not isinstance(frames, np.ndarray):
        raise MediaError(f"{what}: expected a numpy array, got {type(frames).__name__}")
    if np.issubdtype(frames.dtype, np.floating) and not np.isfinite(frames).all():
        raise MediaError(f"{what}: has NaN or infinite values")
    if frames.dtype != np.uint8:
        raise MediaError(f"{what}: expected uint8 values 0..255, got {frames.dtype}")
    if frames.ndim != ndim or frames.shape[-1] != 3:
        layout = "(T, H, W, 3)" if ndim == 4 else "(H, W, 3)"
        raise MediaError(f"{what}: expected layout {layout}, got shape {frames.shape}")
    if 0 in frames.shape:
        raise MediaError(f"{what}: is empty, shape {frames.shape}")


def pixel_hash(frames: Frames) -> str:
    """Return the SHA-256 of shape and pixels, in hex. Independent of any file format."""
    digest = hashlib.sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """The size of a video in pixels, and its rate: frames per second, a whole number."""

    width: int
    height: int
    fps: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at {self.fps} frames per second"


@dataclass(frozen=True, slots=True)
class Clip:
    """One shot's video.

    Attributes:
        frames: uint8 RGB, (T, H, W, 3), values 0..255.
        fps: Frames per second, a whole number.
        notes: What the backbone wants recorded of how it was made, as plain data: the server and job, the cost,
            ``reproducible: False`` where the same request may give another clip.
    """

    frames: Frames
    fps: int
    notes: Mapping[str, str | float | bool] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        check_frames(self.frames, 4, "clip")
        if self.fps < 1:
            raise MediaError(f"clip: fps must be at least 1, got {self.fps}")

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.frames.shape[2])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.frames.shape[1])

    @property
    def format(self) -> VideoFormat:
        """Size and frame rate."""
        return VideoFormat(self.width, self.height, self.fps)

    def content_hash(self) -> str:
        """Return the pixel hash of all frames."""
        return pixel_hash(self.frames)
