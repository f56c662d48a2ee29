"""How long lines take to say and to read. Counts columns, so that scripts without spaces are measured, too."""

from __future__ import annotations

import unicodedata

from storymem.values.script import Shot

#: Columns a second at which narrators and actors speak: about 150 English words a minute.
SPOKEN = 15.0
_WIDE = frozenset("WF")


def columns(text: str) -> int:
    """Return the width of a text in columns: two for wide characters, which take about twice as long to read."""
    return sum(
        2 if unicodedata.east_asian_width(c) in _WIDE else 1
        for c in " ".join(text.split())
        if not unicodedata.combining(c)
    )


def spoken_seconds(shot: Shot) -> float:
    """Return about how long it takes to say a shot's narration and dialogue."""
    return (columns(shot.narration) + sum(columns(line.text) for line in shot.dialogue)) / SPOKEN
