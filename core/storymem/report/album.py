"""Small copies of pictures, each kept once however often it is shown."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice

from PIL import Image

from storymem.errors import DamagedFile, MediaError
from storymem.media.video import iter_frames
from storymem.store.objects import verified
from storymem.values.clip import Frames
from storymem.values.files import FileRef
from storymem.values.keyframe import Keyframe

WIDTH = 320  #: pixels of the longest side; enough for a card on a dense display
_QUALITY = 80


class Album:
    """JPEG copies by name. What cannot be read is None, so that a page can say so instead of failing."""

    def __init__(self) -> None:
        self._pictures: dict[str, bytes | None] = {}

    def __getitem__(self, name: str) -> bytes | None:
        return self._pictures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pictures)

    def picture(self, name: str) -> Image.Image | None:
        """Return a copy as a picture."""
        data = self._pictures[name]
        return Image.open(io.BytesIO(data)) if data else None

    def keyframe(self, keyframe: Keyframe) -> str:
        """Take in a remembered picture and return its name."""
        if keyframe.id not in self._pictures:
            try:
                self._pictures[keyframe.id] = _jpeg(keyframe.load())
            except (MediaError, DamagedFile):  # pruned: nothing but its record is left
                self._pictures[keyframe.id] = None
        return keyframe.id

    def still(self, file: FileRef, frame: int) -> str:
        """Take in one frame of a video file, counted from 0, and return its name."""
        name = f"{file.digest}:{frame}"
        if name not in self._pictures:
            try:
                found = next(islice(iter_frames(verified(file)), frame, None), None)
            except (MediaError, DamagedFile):
                found = None
            self._pictures[name] = None if found is None else _jpeg(found)
        return name


def _jpeg(frame: Frames) -> bytes:
    image = Image.fromarray(frame)
    image.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, format="JPEG", quality=_QUALITY)
    return data.getvalue()
