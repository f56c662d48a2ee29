"""Lossless still pictures: PNG files in the run store, and the reference images people bring."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from storymem.errors import MediaError
from storymem.media.files import writing
from storymem.values.clip import Frames
from storymem.values.picture import encode_png

#: Longest side of an accepted reference image, in pixels.
MAX_SIDE = 8192


def write_png(path: Path, frame: Frames) -> None:
    """Write ``frame``, uint8 RGB (H, W, 3), as a PNG file and flush it to the disk.

    Raises:
        MediaError: The file cannot be written.
    """
    data = encode_png(frame)
    with writing(path), path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_reference(path: Path) -> Frames:
    """Read any common picture file as uint8 RGB (H, W, 3).

    Turned upright by its EXIF orientation; grey and palette images become RGB; transparency is laid on white.

    Raises:
        MediaError: The file is missing, is no picture, or is larger than 8192 pixels on a side.
    """
    if not path.is_file():
        raise MediaError(f"{path}: reference image does not exist")
    try:
        with Image.open(path) as image:
            if max(image.size) > MAX_SIDE:
                raise MediaError(f"{path}: {image.width}x{image.height} is too large; at most {MAX_SIDE} on a side")
            upright = ImageOps.exif_transpose(image)
            return np.asarray(_on_white(upright))
    except (OSError, UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read as a picture; save it as PNG or JPEG ({error})") from error


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")
