"""A clip of video in memory, with its sound if it has any, and the hash of what it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from storymem.errors import MediaError
from storymem.values.sound import CHANNELS, RATE, Sound, samples_of

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
        sound: 48 kHz stereo, exactly as long as the frames: ``samples_of(len(frames), fps)`` samples. None for a
            silent clip. :meth:`storymem.media.sound.film_sound` makes any sound fit.
        notes: What the backbone wants recorded of how it was made, as plain data: the server and job, the cost,
            ``reproducible: False`` where the same request may give another clip.
    """

    frames: Frames
    fps: int
    sound: Sound | None = None
    notes: Mapping[str, str | float | bool] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        check_frames(self.frames, 4, "clip")
        if self.fps < 1:
            raise MediaError(f"clip: fps must be at least 1, got {self.fps}")
        if self.sound is not None:
            _check_sound(self.sound, samples_of(len(self), self.fps))

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

    def cut(self, first: int, end: int | None = None) -> Clip:
        """Return the frames ``first .. end-1``, to the end by default, with the sound that belongs to them."""
        frames = self.frames[first:end]
        if self.sound is None:
            return Clip(frames, self.fps)
        # Positions round down, so a part may last a sample longer than what is there; silence fills it.
        return Clip(frames, self.fps, self.sound.part(samples_of(first, self.fps), samples_of(len(frames), self.fps)))

    def content_hash(self) -> str:
        """Return the pixel hash of all frames; of a clip with sound, a hash of both."""
        pixels = pixel_hash(self.frames)
        if self.sound is None:
            return pixels
        return hashlib.sha256(f"{pixels} {self.sound.content_hash()}".encode()).hexdigest()


def _check_sound(sound: Sound, length: int) -> None:
    if (sound.rate, sound.samples.shape) != (RATE, (CHANNELS, length)):
        raise MediaError(
            f"clip: its sound must be {RATE} Hz, {CHANNELS} channels and {length} samples long, as its frames are; got "
            f"{sound.rate} Hz and {sound.samples.shape}; storymem.media.sound.film_sound makes it fit"
        )
