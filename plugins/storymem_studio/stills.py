"""Small copies of pictures and frames as JPEG, made when they are first looked at and kept in memory."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from PIL import Image

from storymem.errors import MediaError
from storymem.media.video import iter_frames

_WIDTH = 480  #: pixels of the longest side; a card on a dense display
_QUALITY = 80
_BYTES = 128 * 2**20  #: of all copies together


class Stills:
    """Copies by name. Files are named by their content, so that a copy is good for ever."""

    def __init__(self) -> None:
        self._copies: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._decoding = threading.Semaphore(2)  # a page asks for dozens at once; the render needs the processors too

    def picture(self, digest: str, path: Path) -> bytes:
        """Return a copy of a picture file; raises :class:`MediaError` where it cannot be read."""
        return self._copy(digest, lambda: _opened(path))

    def frame(self, digest: str, path: Path, number: int) -> bytes:
        """Return a copy of one frame of a video file, counted from 0.

        Raises:
            MediaError: The file cannot be read, or has no such frame.
        """
        return self._copy(f"{digest}:{number}", lambda: _frame(path, number))

    def _copy(self, name: str, make: Callable[[], Image.Image]) -> bytes:
        with self._lock:
            if name in self._copies:
                self._copies.move_to_end(name)
                return self._copies[name]
        with self._decoding:
            data = _jpeg(make())
        with self._lock:
            if name not in self._copies:
                self._copies[name] = data
                self._size += len(data)
            while self._size > _BYTES:
                self._size -= len(self._copies.popitem(last=False)[1])
        return data


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read: {error}") from error


def _frame(path: Path, number: int) -> Image.Image:
    found = next(islice(iter_frames(path), number, None), None)
    if found is None:
        raise MediaError(f"{path}: has no frame {number}")
    return Image.fromarray(found)


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((_WIDTH, _WIDTH), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, format="JPEG", quality=_QUALITY)
    return data.getvalue()
