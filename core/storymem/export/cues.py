"""When each line of a film is shown, and whether it can be read in that time. Knows no subtitle format."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from storymem.script.speech import columns
from storymem.values.timeline import Edit, SpokenLine, Timeline

#: As broadcasters and streaming services ask for: two rows of 42 columns, 5/6 of a second at least, 7 s at most.
ROW = 42
ROWS = 2
SHORTEST = 5 / 6
LONGEST = 7.0
#: Columns a second that adults read without haste.
READABLE = 17.0
#: Seconds between two cues, without which a change of text goes unnoticed.
_GAP = 0.08


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: its shot, when it is shown (seconds of the film), its rows, and the line that it is of."""

    shot: str
    start: float
    end: float
    rows: tuple[str, ...]
    line: SpokenLine

    @property
    def speed(self) -> float:
        """Columns a second that must be read."""
        return sum(map(columns, self.rows)) / (self.end - self.start)


def cues(timeline: Timeline) -> list[Cue]:
    """Return the subtitles of a film, in order and never two at a time.

    The time between a shot's two cuts is divided among its lines by their length. A line longer than two rows becomes
    several subtitles; none is shown for more than 7 s.
    """
    return [cue for edit in timeline.edits() for cue in _of_shot(edit, timeline.fps)]


def findings(found: list[Cue], fps: int, readable: float = READABLE) -> Iterator[str]:
    """Yield a line for each subtitle that is gone before it can be read, with what its shot would need."""
    for cue in found:
        needed = max(sum(map(columns, cue.rows)) / readable, SHORTEST)
        shown = cue.end - cue.start
        if shown + 0.001 < needed:  # times are rounded to thousandths
            more = ceil((needed - shown) * fps)
            yield (
                f"shot {cue.shot}: {_short(' '.join(cue.rows))!r} is shown for {shown:.1f} s, {cue.speed:.0f} "
                f"characters a second; {readable:.0f} can be read: shorten it or give the shot {more} more frames"
            )


def _of_shot(edit: Edit, fps: int) -> Iterator[Cue]:
    pieces = [(rows, line) for line in edit.shot.lines for rows in _pieces(line.text)]
    total = sum(_weight(rows) for rows, _ in pieces)
    at, lasts = edit.start / fps, edit.length / fps
    for rows, line in pieces:
        share = lasts * _weight(rows) / total
        shown = min(share - min(_GAP, share / 4), LONGEST)
        yield Cue(edit.shot.id, round(at, 3), round(at + shown, 3), rows, line)
        at += share


def _weight(rows: tuple[str, ...]) -> int:
    return max(sum(map(columns, rows)), 1)


def _pieces(text: str) -> Iterator[tuple[str, ...]]:
    """Yield a line's subtitles, each as rows of about equal width."""
    flat = " ".join(text.split())
    wide = columns(flat) > len(flat)
    row = ROW // 2 if wide else ROW  # textwrap counts characters
    rows = textwrap.wrap(flat, row)
    for first in range(0, len(rows), ROWS):
        piece = ("" if wide else " ").join(rows[first : first + ROWS])
        yield tuple(_balanced(piece, row))


def _balanced(piece: str, row: int) -> list[str]:
    wanted = len(textwrap.wrap(piece, row))
    narrow = next(width for width in range(ceil(len(piece) / wanted), row + 1) if _fits(piece, width, wanted))
    return textwrap.wrap(piece, narrow)


def _fits(piece: str, width: int, rows: int) -> bool:
    return len(textwrap.wrap(piece, width)) <= rows


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
