"""Files that editing programs open: the cut of a finished film in one of their forms."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.timeline import Timeline


class Exporter(Plugin[SettingsT]):
    """Writes the cut of a film in one form."""

    #: Suffix of the file it writes, with the dot; empty if it fills a folder.
    suffix: ClassVar[str] = ""

    @abstractmethod
    def export(self, timeline: Timeline, target: Path) -> Sequence[str]:
        """Write the film's cut.

        Args:
            timeline: What to write. ``timeline.notes`` belong into the file, if the form has a place for them.
            target: The file to write, or the folder to fill; its parent is there, itself it is not.

        Returns:
            What the form cannot hold or holds in another way, a line each; empty if nothing.

        Raises:
            MediaError: It cannot be written.
            SettingsError: The settings do not suit the film.
        """
