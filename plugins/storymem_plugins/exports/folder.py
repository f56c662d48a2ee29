"""A folder to hand over: every shot's file under a readable name, in story order, with the cut beside them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from storymem.film.names import shot_name
from storymem.interfaces import Exporter
from storymem.media.files import writing
from storymem.values.timeline import Timeline
from storymem_plugins.exports.table import write_table

TABLE = "shots.csv"
NOTES = "notes.txt"


class Folder(Exporter):
    """``001_01_01.mkv`` and so on, ``shots.csv`` with the cut, and ``notes.txt`` if there is anything to know."""

    def export(self, timeline: Timeline, target: Path) -> Sequence[str]:
        """Copy the files and write the table; nothing is lost but the entities' looks."""
        digits = max(3, len(str(len(timeline.shots))))
        shots = []
        with writing(target):
            target.mkdir()
            for number, shot in enumerate(timeline.shots, start=1):
                copy = target / f"{number:0{digits}d}_{shot_name(shot.id)}{shot.media.suffix}"
                shutil.copyfile(shot.media, copy)
                shots.append(replace(shot, media=copy))
            if timeline.notes:
                (target / NOTES).write_text("\n".join(timeline.notes) + "\n", encoding="utf-8")
        write_table(replace(timeline, shots=tuple(shots)), target / TABLE)
        return []
