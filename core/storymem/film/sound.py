"""What the shots of a film sound like one after the other: cut and blended as their frames are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from storymem.media.sound import read_sound
from storymem.store.objects import verified
from storymem.values.files import FileRef
from storymem.values.sound import CHANNELS, Samples, samples_of


@dataclass(frozen=True, slots=True)
class ShotSound:
    """Where the sound of a shot is: a file, and how many samples at its start stay out of the film."""

    file: FileRef
    first: int


@dataclass(frozen=True, slots=True)
class SoundPart:
    """One shot of the film as it is heard.

    Attributes:
        sound: Its sound; None for a silent shot.
        frames: How many frames it lasts.
        overlap: How many of them are blended with the shot before.
    """

    sound: ShotSound | None
    frames: int
    overlap: int


def joined_sound(parts: Sequence[SoundPart], fps: int) -> Iterator[Samples]:
    """Yield the sound of the film, 48 kHz stereo, shot by shot; silence where a shot has none.

    Where frames are blended, the sound of both shots fades into each other linearly over the same time. At most one
    shot is in memory.

    Raises:
        DamagedFile: A file is not what was recorded.
    """
    position = 0  # in frames of the film
    tail: Samples = np.zeros((CHANNELS, 0), np.float32)
    for index, part in enumerate(parts):
        start = position - (part.overlap if index else 0)
        end = start + part.frames
        samples = _samples(part.sound, samples_of(end, fps) - samples_of(start, fps))
        blended = tail.shape[1]
        samples[:, :blended] = _faded(tail, samples[:, :blended])
        following = parts[index + 1].overlap if index + 1 < len(parts) else 0
        own = samples_of(end - following, fps) - samples_of(start, fps)
        yield samples[:, :own]
        tail, position = samples[:, own:], end


def _samples(sound: ShotSound | None, count: int) -> Samples:
    whole = read_sound(verified(sound.file)) if sound else None
    if sound is None or whole is None:
        return np.zeros((CHANNELS, count), np.float32)
    return whole.part(sound.first, count).samples


def _faded(tail: Samples, head: Samples) -> Samples:
    count = tail.shape[1]
    weight = (np.arange(count, dtype=np.float32) + 0.5) / max(count, 1)
    return np.asarray(tail * (1 - weight) + head * weight, dtype=np.float32)
