"""Reading and writing files: what the file system and FFmpeg raise becomes one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storymem.errors import MediaError, os_error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise :class:`MediaError`, naming ``path``, where the file system refuses."""
    try:
        yield
    except OSError as error:
        raise os_error(f"{path}: cannot be written", error, MediaError) from error


@contextmanager
def media_errors(what: str) -> Iterator[None]:
    """Turn what PyAV and the file system raise into :class:`MediaError`, ``what`` in front."""
    import av

    try:
        yield
    except (OSError, ValueError, IndexError, av.FFmpegError) as error:
        if isinstance(error, OSError) and not isinstance(error, av.FFmpegError):
            raise os_error(what, error, MediaError) from error
        raise MediaError(f"{what}: {error}") from error
