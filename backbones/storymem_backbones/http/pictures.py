"""How recalled keyframes are passed where a server takes pictures, not memory."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from storymem.interfaces import Keyframe, ShotRequest
from storymem.values.clip import Frames
from storymem.values.picture import encode_png

#: Between and around the pictures of a grid; models take pure white for part of a picture less than black.
_PAPER = (255, 255, 255)


def data_url(picture: Frames) -> str:
    """Return a picture, uint8 RGB (H, W, 3), as a ``data:`` address of a PNG."""
    return f"data:image/png;base64,{base64.b64encode(encode_png(picture)).decode('ascii')}"


def grid(pictures: Sequence[Frames], size: tuple[int, int]) -> Frames:
    """Return one picture of ``size`` (width, height) that shows all: in rows, each whole, on white."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    width, height = size[0] // columns, size[1] // rows
    sheet = Image.new("RGB", size, _PAPER)
    for index, picture in enumerate(pictures):
        cell = ImageOps.pad(Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS, _PAPER)
        sheet.paste(cell, (index % columns * width, index // columns * height))
    return np.asarray(sheet)


def passed(way: str, request: ShotRequest) -> list[Frames]:
    """Return the pictures that stand for memory in a request, passed one of the ways of ``Memory``."""
    if way == "off" or not request.memory:
        return []
    if way == "first":
        return [request.pictures[0]]
    if way == "grid":
        return [grid(request.pictures, (request.width, request.height))]
    return list(request.pictures)


def tagged(request: ShotRequest) -> str:
    """Return the prompt with a first line that says which picture shows whom."""
    names = [_shown(keyframe) for keyframe in request.memory]
    tags = ", ".join(f"<Picture {number}> shows {name}" for number, name in enumerate(names, 1))
    return f"{tags}.\n{request.prompt}" if tags else request.prompt


def _shown(keyframe: Keyframe) -> str:
    return " and ".join(keyframe.entities) or "an earlier shot"
