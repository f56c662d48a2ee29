"""How a written file names the files beside it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from storymem.errors import MediaError


def relative_path(media: Path, folder: Path) -> str:
    """Return the path of ``media`` as seen from ``folder``, with forward slashes.

    Raises:
        MediaError: They are on different drives.
    """
    try:
        return Path(os.path.relpath(media.resolve(), folder.resolve())).as_posix()
    except ValueError as error:
        raise MediaError(f"{folder}: is on another drive than {media}; write the export beside the run") from error


def relative_url(media: Path, folder: Path) -> str:
    """Return the relative URL of ``media`` from ``folder``; raises as :func:`relative_path`."""
    return quote(relative_path(media, folder))
