"""Lossless still pictures: PNG files in the run store, and the reference images people bring."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from storymem.errors import MediaError
from storymem.media.files import writing
from storymem.values.clip import Frames
from storymem.values.picture import encode_png

#: Longest side of an accepted reference image, in pixels.
MAX_SIDE = 8192
#: What is opened. Others, such as EPS, hand the file to another program or are too seldom read to be trusted.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")
_DEEP = ("I", "F")  #: Pillow's modes of one deep channel: I, I;16, I;16B, I;16L, F
_SAMPLE_FORMAT = 339  #: TIFF tag: 1 unsigned integers, 2 signed, 3 floats
_REASON = 200  #: characters of a decoder's own message


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

    PNG, JPEG, WebP, AVIF, GIF, BMP, TIFF and PPM, told by their content; no format that runs a program is opened,
    whatever the file is called. Turned upright by its EXIF orientation; grey and palette images become RGB; more
    than 8 bits a channel are scaled down; transparency is laid on white.

    Raises:
        MediaError: The file is missing, is no picture, or is larger than 8192 pixels on a side.
    """
    if not _is_file(path):
        raise MediaError(f"{path}: reference image does not exist")
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image, path)
            return np.asarray(_on_white(_eight_bit(image)))
    except MediaError:
        raise
    except Exception as error:  # decoders of hostile bytes raise whatever comes to them
        reason = " ".join(str(error).split())[:_REASON]
        raise MediaError(f"{path}: cannot be read as a picture; save it as PNG or JPEG ({reason})") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError, RuntimeError):  # no name that the system takes, or a loop of links
        return False


def _check_size(image: Image.Image, path: Path) -> None:
    if max(image.size) > MAX_SIDE:
        raise MediaError(f"{path}: {image.width}x{image.height} is too large; at most {MAX_SIDE} on a side")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return the picture upright; one deep channel (16 or 32 bit integers, floats) becomes 8-bit grey."""
    upright = ImageOps.exif_transpose(image)
    if not upright.mode.startswith(_DEEP):
        return upright
    values = np.asarray(upright).astype(np.float64)
    if upright.mode == "I" and values.min() < 0 and _unsigned(image):
        values = np.where(values < 0, values + 2**32, values)  # Pillow reads unsigned 32-bit integers as signed
    if not np.isfinite(values).all():
        raise ValueError("it has pixels that are no finite numbers")
    low, high = _range_of(values, upright.mode)
    return Image.fromarray(np.clip((values - low) * (255 / (high - low)) + 0.5, 0, 255).astype(np.uint8))


def _range_of(values: npt.NDArray[np.float64], mode: str) -> tuple[float, float]:
    """Return what is black and white: the usual range that holds the values, or else their own range."""
    low, high = min(float(values.min()), 0.0), float(values.max())
    if mode.startswith("I;16"):
        return 0.0, 2.0**16 - 1
    for white in (*([1.0] if mode == "F" else []), 2.0**8 - 1, 2.0**16 - 1):
        if low >= 0 and high <= white:
            return 0.0, white
    return low, max(high, low + 1)


def _unsigned(image: Image.Image) -> bool:
    """Whether a TIFF file says that its integers are unsigned, as those do that say nothing."""
    return tuple(np.atleast_1d(getattr(image, "tag_v2", {}).get(_SAMPLE_FORMAT, 1))) == (1,)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")
