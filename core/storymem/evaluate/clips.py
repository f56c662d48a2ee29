"""Video files as clips: any container, any rate, whole or in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from storymem.errors import MediaError
from storymem.media.files import media_errors
from storymem.media.video import count_frames, iter_frames
from storymem.values.clip import Clip, Frames

#: Animated pictures, which Pillow reads and FFmpeg does not, or not with their timing.
_PICTURES = (".webp", ".gif")


@dataclass(frozen=True)
class ClipFile:
    """A video file, or an animated WebP or GIF."""

    path: Path

    @cached_property
    def rate(self) -> Fraction:
        """Frames per second.

        Raises:
            MediaError: The file is no video.
        """
        if self.path.suffix.lower() in _PICTURES:
            return _picture_rate(self.path)
        import av

        with media_errors(f"{self.path}: cannot be read as video"), av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            return Fraction(stream.average_rate or stream.base_rate or 0)

    @cached_property
    def frames(self) -> int:
        """Number of frames; MediaError as above."""
        if self.path.suffix.lower() in _PICTURES:
            with _opened(self.path) as image:
                return int(getattr(image, "n_frames", 1))
        return count_frames(self.path)

    def __iter__(self) -> Iterator[Frames]:
        """Yield the frames, uint8 RGB (H, W, 3)."""
        return _iter_pictures(self.path) if self.path.suffix.lower() in _PICTURES else iter_frames(self.path)


def read_whole(file: ClipFile, problems: list[str]) -> Clip:
    """Return all frames of a file as a clip; a rate that is no whole number is rounded, and that is a problem."""
    return next(read_parts(file, [0], problems))


def read_parts(file: ClipFile, starts: Sequence[int], problems: list[str]) -> Iterator[Clip]:
    """Yield the parts of a file that begin at the frames ``starts``, the first of which is 0.

    Raises:
        MediaError: The file cannot be read, is shorter than that, or has no rate.
    """
    fps = _whole_rate(file, problems)
    frames = iter(file)
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        part = list(islice(frames, None if end is None else end - start))
        if not part or (end is not None and len(part) < end - start):
            raise MediaError(f"{file.path}: ends before frame {start + len(part)}")
        yield Clip(np.stack(part), fps)


def _whole_rate(file: ClipFile, problems: list[str]) -> int:
    rate = file.rate
    fps = max(1, round(rate))
    if rate <= 0:
        raise MediaError(f"{file.path}: does not say how many frames a second it has; encode it again")
    note = f"{file.path.name}: {float(rate):.3f} frames a second are taken as {fps}"
    if rate != fps and note not in problems:
        problems.append(note)
    return fps


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (OSError, UnidentifiedImageError) as error:
        raise MediaError(f"{path}: cannot be read as an animated picture ({error})") from error


def _picture_rate(path: Path) -> Fraction:
    with _opened(path) as image:
        image.seek(getattr(image, "n_frames", 1) - 1)  # Pillow knows a frame's duration once it is decoded
        image.load()
        duration = int(image.info.get("duration") or 0)
    return Fraction(1000, duration).limit_denominator(1000) if duration else Fraction(0)


def _iter_pictures(path: Path) -> Iterator[Frames]:
    with _opened(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            try:
                image.seek(index)
                yield np.asarray(image.convert("RGB"))
            except (OSError, EOFError, SyntaxError) as error:
                raise MediaError(f"{path}: frame {index} cannot be read ({error})") from error
