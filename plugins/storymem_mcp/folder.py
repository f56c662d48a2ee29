"""The one folder that an agent may read and write."""

from __future__ import annotations

from pathlib import Path

from storymem.errors import StoryMemError


class OutsideError(StoryMemError):
    """A path leads out of the folder that was given on the command line."""


class Folder:
    """Resolves an agent's paths below one folder.

    Args:
        root: The folder; must exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def path(self, name: str) -> Path:
        """Return the path that a name stands for, links followed.

        Raises:
            OutsideError: It is not below the folder.
        """
        try:
            found = (self.root / name).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, or a null character
            raise OutsideError(f"{name!r}: is no path") from error
        if not found.is_relative_to(self.root) or found == self.root:
            raise OutsideError(f"{name!r}: must be a relative path below the folder that storymem mcp serves")
        return found

    def name(self, path: Path) -> str:
        """Return a path as an agent may use it."""
        return path.resolve().relative_to(self.root).as_posix()
