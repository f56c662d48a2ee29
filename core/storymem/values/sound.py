"""Sound in memory, in time with the frames of a clip."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storymem.errors import MediaError

#: float32, layout (channels, samples), values -1..1.
Samples = NDArray[np.float32]

#: What clips and films carry: samples a second, and left and right.
RATE, CHANNELS = 48000, 2


def samples_of(frames: int, fps: int) -> int:
    """Return where in the sound a frame begins, in samples at 48 kHz; also how many samples so many frames last."""
    return frames * RATE // fps


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of sound.

    Attributes:
        samples: float32, (channels, samples), values -1..1; one channel or two, left first.
        rate: Samples per second, a whole number.
    """

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        samples: object = self.samples
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32:
            found = samples.dtype if isinstance(samples, np.ndarray) else type(samples).__name__
            raise MediaError(f"sound: expected a numpy array of float32, got {found}")
        if samples.ndim != 2 or samples.shape[0] not in (1, 2):
            raise MediaError(f"sound: expected layout (channels, samples) of 1 or 2 channels, got {samples.shape}")
        if samples.size and not np.abs(samples).max() <= 1:  # also where there is a NaN
            raise MediaError("sound: values must be numbers from -1 to 1")
        if self.rate < 1:
            raise MediaError(f"sound: rate must be at least 1, got {self.rate}")

    def __len__(self) -> int:
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self) / self.rate

    def part(self, first: int, count: int) -> Sound:
        """Return ``count`` samples from ``first`` on; silence where there are none."""
        found = self.samples[:, first : first + count]
        return Sound(np.pad(found, ((0, 0), (0, count - found.shape[1]))), self.rate)

    def content_hash(self) -> str:
        """Return the SHA-256 of rate, shape and samples, in hex. Independent of any file format."""
        digest = hashlib.sha256(repr((self.rate, self.samples.shape)).encode())
        digest.update(np.ascontiguousarray(self.samples, dtype="<f4").data)
        return digest.hexdigest()
