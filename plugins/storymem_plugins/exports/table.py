"""The cut as a table, for spreadsheets and for programs of one's own."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from storymem.interfaces import Exporter
from storymem.media.files import writing
from storymem.values.timeline import Timeline
from storymem_plugins.exports.links import relative_path

COLUMNS = (
    *("shot", "scene", "begin", "end", "begin_seconds", "end_seconds", "media", "media_begin", "media_frames"),
    *("overlap", "transition", "take", "entities", "prompt", "lines"),
)

#: What makes spreadsheets take a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Table(Exporter):
    """A ``.csv`` file, a line a shot; positions are frames from 0, the end is the first frame behind the shot.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """

    suffix: ClassVar[str] = ".csv"

    def export(self, timeline: Timeline, target: Path) -> Sequence[str]:
        """Write the table. Shots that dissolve into each other overlap by the frames of the dissolve."""
        write_table(timeline, target)
        return []


def write_table(timeline: Timeline, target: Path) -> None:
    """Write the table of a cut to ``target``; raises :class:`MediaError` where that fails."""
    # With a byte order mark, without which spreadsheets take the file for one of an old encoding.
    with writing(target), target.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows([_harmless(cell) for cell in row] for row in _rows(timeline, target.parent))


def _harmless(cell: object) -> object:
    """Return a cell that spreadsheets show as text: a prompt may come from anybody, and could be a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _rows(timeline: Timeline, folder: Path) -> Iterator[tuple[object, ...]]:
    for edit in timeline.edits():
        shot, end = edit.shot, edit.begin + edit.shot.frames
        yield (
            shot.id,
            timeline.scene_name(shot.scene),
            edit.begin,
            end,
            f"{edit.begin / timeline.fps:.3f}",
            f"{end / timeline.fps:.3f}",
            relative_path(shot.media, folder),
            shot.first,
            shot.available,
            shot.overlap,
            shot.transition,
            shot.details.get("take"),
            "; ".join(shot.entities),
            shot.prompt,
            "\n".join(f"{line.speaker}: {line.text}" if line.speaker else line.text for line in shot.lines),
        )
