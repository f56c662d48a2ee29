"""Writing files: what the file system raises becomes one line."""

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
