"""The runs that a studio shows, by name. Names from requests are looked up here and never become paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from storymem.errors import RunStoreError, StoryMemError, os_error
from storymem.store.folder import DATABASE

SCRIPT = "story.json"
_UNFIT = re.compile(r"[^a-z0-9]+")
_LONGEST = 48


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run or draft: a folder that has a run database, a script, or both."""

    name: str
    folder: Path

    @property
    def script(self) -> Path:
        """Where the script that is edited in the page is, or would be."""
        return self.folder / SCRIPT

    @property
    def rendered(self) -> bool:
        """Whether the folder was rendered into."""
        return _is_file(self.folder / DATABASE)


class UnknownRunError(StoryMemError):
    """The studio has no run of this name."""


class Library:
    """The runs of one folder.

    Args:
        root: A run folder, or a folder of run folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.single = is_run(self.root)

    def runs(self) -> dict[str, RunEntry]:
        """Return all runs by name, in order of their names."""
        if self.single:
            return {self.root.name: RunEntry(self.root.name, self.root)}
        try:
            folders = sorted(p for p in self.root.iterdir() if not p.name.startswith(".") and is_run(p))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise os_error(f"{self.root}: cannot be read", error, RunStoreError) from error
        return {folder.name: RunEntry(folder.name, folder) for folder in folders}

    def run(self, name: str) -> RunEntry:
        """Return a run by name; raises :class:`UnknownRunError` if there is none."""
        found = self.runs().get(name)
        if found is None:
            raise UnknownRunError("there is no such run")
        return found

    def new(self, title: str) -> RunEntry:
        """Return a place for a new story: a free name made of letters of its title.

        Raises:
            RunStoreError: The studio shows one run alone.
        """
        if self.single:
            raise RunStoreError(f"{self.root}: is one run; start the studio on a folder of runs to make another")
        plain = _UNFIT.sub("_", title.lower())[:_LONGEST].strip("_") or "story"
        names = [plain, *(f"{plain}_{n}" for n in range(2, 1000))]
        name = next(name for name in names if not (self.root / name).exists())
        return RunEntry(name, self.root / name)


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run or a story that was not rendered yet."""
    return _is_file(folder / DATABASE) or _is_file(folder / SCRIPT)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no permission to look: it is shown as if it were not there
        return False
