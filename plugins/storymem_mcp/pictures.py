"""Frames of takes as pictures that a model can look at."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import islice

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from storymem.media.video import iter_frames
from storymem.runs import OpenRun
from storymem.store.objects import verified
from storymem.store.records import Take
from storymem.values.clip import Frames

#: Longest side of one frame, in pixels: models that see scale larger pictures down.
SIDE = 480
_CAPTION = 20
_PAPER, _INK = (24, 24, 26), (235, 235, 235)


def png(picture: Picture.Image) -> bytes:
    """Return a picture as the bytes of a PNG file."""
    data = io.BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()


def small(frame: Frames) -> Picture.Image:
    """Return a frame, uint8 RGB (H, W, 3), no longer than :data:`SIDE` on a side."""
    picture = Picture.fromarray(frame)
    picture.thumbnail((SIDE, SIDE))
    return picture


def sampled(run: OpenRun, take: Take, count: int) -> list[tuple[int, Frames]]:
    """Return up to ``count`` frames of a take with their numbers, evenly spaced from the first to the last.

    Raises:
        DamagedFile: The take's file is not what was recorded.
    """
    wanted = sorted({int(n) for n in np.linspace(0, take.frames - 1, count).round()})
    master = verified(run.store.file_ref(take.master))
    return [(n, frame) for n, frame in enumerate(islice(iter_frames(master), wanted[-1] + 1)) if n in wanted]


def rows(labelled: Sequence[tuple[str, Sequence[Frames]]]) -> bytes:
    """Return a PNG with a row of frames for each label, the label above it."""
    pictures = [(label, [small(frame) for frame in frames]) for label, frames in labelled]
    width = max(sum(p.width for p in row) for _, row in pictures)
    height = sum(max(p.height for p in row) + _CAPTION for _, row in pictures)
    sheet = Picture.new("RGB", (width, height), _PAPER)
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(12), 0
    for label, row in pictures:
        draw.text((4, top + 3), label, _INK, font)
        left = 0
        for picture in row:
            sheet.paste(picture, (left, top + _CAPTION))
            left += picture.width
        top += _CAPTION + max(p.height for p in row)
    return png(sheet)
