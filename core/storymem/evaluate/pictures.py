"""Rows of small pictures: each entity in the shots it is due in, so that one sees who looks the same where."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from storymem.evaluate.run import ReadableFilm
from storymem.values.clip import Frames

HEIGHT = 84


@dataclass(frozen=True, slots=True)
class PictureRow:
    """An entity's name, and a JPEG of the middle of each shot that shows it, as a data URI by shot id."""

    name: str
    pictures: Mapping[str, str]


def entity_rows(film: ReadableFilm) -> dict[str, PictureRow]:
    """Return a row for each entity that is due in two shots and more, by id; for a story without any, one of all."""
    middles = {s.shot.id: thumbnail(s.clip.frames[len(s.clip) // 2]) for s in film.shots()}
    rows: dict[str, PictureRow] = {}
    for entity in film.board.script.entities:
        due = [shot.id for shot in film.board if entity.id in shot.entities and shot.id in middles]
        if len(due) > 1:
            rows[entity.id] = PictureRow(entity.label, {shot: middles[shot] for shot in due})
    return rows or {"": PictureRow("all shots", middles)}


def thumbnail(frame: Frames) -> str:
    """Return a frame as a small JPEG data URI."""
    image = Image.fromarray(frame)
    image.thumbnail((HEIGHT * 4, HEIGHT), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, format="JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
