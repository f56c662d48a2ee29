"""A run as single pictures: the contact sheet of its shots, and the memory trace of what each recalled."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from storymem.report.reading import RunReport, ShotReport, Shown
from storymem.text import one_line

CELL = (240, 160)  #: pixels of one cell, caption included
_CAPTION = 22
_MARGIN = 6
_MOST_COLUMNS = 6
_INK, _FAINT, _PAPER = (235, 235, 235), (150, 150, 150), (24, 24, 26)
#: Of the longest side of a PNG; Pillow and viewers refuse far larger ones.
MAX_SIDE = 60_000


def contact_sheet(report: RunReport) -> bytes:
    """Return a PNG with the middle frame of every shot, at most six in a row, in story order."""
    columns = min(_MOST_COLUMNS, len(report.shots))
    rows = -(-len(report.shots) // columns)
    sheet = _Sheet(report, columns, rows)
    for index, shot in enumerate(report.shots):
        seconds = f"  {_seconds(shot):.1f} s" if shot.status.take else f"  {shot.status.state}"
        sheet.put(index // columns, index % columns, shot.poster, f"{shot.shot.id}{seconds}")
    return sheet.png()


def memory_trace(report: RunReport) -> bytes:
    """Return a PNG with a row a shot: its middle frame, then what it was shown, in order, with the reasons."""
    sheet = _Sheet(report, 1 + max(len(shot.recalled) for shot in report.shots), len(report.shots))
    for row, shot in enumerate(report.shots):
        sheet.put(row, 0, shot.poster, f"{shot.shot.id}  {shot.status.state}" if not shot.poster else shot.shot.id)
        for column, shown in enumerate(shot.recalled, start=1):
            sheet.put(row, column, shown, f"{shown.name}  {shown.reason}")
    return sheet.png()


def _seconds(shot: ShotReport) -> float:
    take = shot.status.take
    return (take.frames - shot.first) / take.fps if take else 0.0


class _Sheet:
    def __init__(self, report: RunReport, columns: int, rows: int) -> None:
        scale = min(1.0, MAX_SIDE / (columns * CELL[0]), MAX_SIDE / (rows * CELL[1]))
        self._cell = (max(int(CELL[0] * scale), 8), max(int(CELL[1] * scale), 8))
        self._image = Image.new("RGB", (columns * self._cell[0], rows * self._cell[1]), _PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(12)
        self._album = report.album

    def put(self, row: int, column: int, shown: Shown | None, caption: str) -> None:
        """Draw one picture with its caption; an outline stands for one that is not there."""
        left, top = column * self._cell[0] + _MARGIN, row * self._cell[1] + _MARGIN
        width, height = self._cell[0] - 2 * _MARGIN, self._cell[1] - _CAPTION - _MARGIN
        picture = self._album.picture(shown.picture) if shown else None
        if picture is None:
            self._draw.rectangle((left, top, left + width - 1, top + height - 1), outline=_FAINT)
        else:
            picture.thumbnail((width, height))
            self._image.paste(picture, (left, top + height - picture.height))
        self._draw.text((left, top + height + 3), self._fitting(one_line(caption), width), _INK, self._font)

    def _fitting(self, text: str, width: int) -> str:
        if self._draw.textlength(text, self._font) <= width:
            return text
        while text and self._draw.textlength(f"{text}...", self._font) > width:
            text = text[:-1]
        return f"{text}..."

    def png(self) -> bytes:
        """Return the sheet as the bytes of a PNG file."""
        data = io.BytesIO()
        self._image.save(data, format="PNG")
        return data.getvalue()
