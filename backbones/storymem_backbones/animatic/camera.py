"""Photographs layers frame by frame: a camera path, and parallax between backdrop, cast and foreground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from storymem.values.clip import Frames
from storymem_backbones.animatic.reading import Move
from storymem_backbones.animatic.sheet import MARGIN
from storymem_backbones.animatic.staging import Layer, Layers

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Path:
    """A camera move.

    Attributes:
        start: (x, y, zoom) at the first frame; x and y as parts of the frame, right and down.
        end: The same at the last frame.
        gains: How much of the move backdrop, cast and foreground show.
        shake: Size of hand-held movement, as a part of the frame.
        step: How the cast bobs while walking: (part of the frame's height, times a second).
    """

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    gains: tuple[float, float, float] = (0.6, 1.0, 1.5)
    shake: float = 0.0
    step: tuple[float, float] = (0.0, 0.0)


_TRACKING = (1.0, 0.15, 1.7)
_PATHS: dict[Move, Path] = {
    Move.STATIC: Path((0, 0, 1.03), (0, 0, 1.03)),
    Move.PAN_LEFT: Path((0.07, 0, 1.06), (-0.07, 0, 1.06), (0.8, 1.0, 1.3)),
    Move.PAN_RIGHT: Path((-0.07, 0, 1.06), (0.07, 0, 1.06), (0.8, 1.0, 1.3)),
    Move.TILT_UP: Path((0, 0.07, 1.06), (0, -0.07, 1.06), (0.8, 1.0, 1.3)),
    Move.TILT_DOWN: Path((0, -0.08, 1.06), (0, 0.06, 1.06), (0.8, 1.0, 1.3)),
    Move.PUSH_IN: Path((0, 0, 1.0), (0, -0.01, 1.2), (0.5, 1.0, 1.6)),
    Move.PULL_OUT: Path((0, -0.01, 1.2), (0, 0, 1.0), (0.5, 1.0, 1.6)),
    Move.TRACK_LEFT: Path((0.12, 0, 1.06), (-0.12, 0, 1.06), _TRACKING),
    Move.TRACK_RIGHT: Path((-0.12, 0, 1.06), (0.12, 0, 1.06), _TRACKING),
    Move.ARC: Path((-0.1, 0, 1.05), (0.1, 0, 1.1), (1.0, -0.3, -0.8)),
    Move.HANDHELD: Path((-0.01, 0, 1.06), (0.012, 0, 1.08), shake=0.0075),
}
_DRIFTS = (
    Path((-0.018, 0, 1.03), (0.018, 0, 1.06)),
    Path((0.018, 0, 1.03), (-0.018, 0, 1.06)),
    Path((0, 0, 1.02), (0, 0, 1.085)),
    Path((0, 0.012, 1.05), (0, -0.012, 1.05)),
)


def path_of(move: Move, seed: int, strength: float) -> Path:
    """Return the path of a move, its reach scaled by ``strength``; unnamed moves drift a little, by the seed."""
    path = _PATHS.get(move) or _DRIFTS[(seed // 2) % len(_DRIFTS)]
    middle = tuple((a + b) / 2 for a, b in zip(path.start, path.end, strict=True))
    start, end = (
        (*(m + (v - m) * strength for m, v in zip(middle[:2], point[:2], strict=True)),
         max(1.0, middle[2] + (point[2] - middle[2]) * strength))
        for point in (path.start, path.end)
    )  # fmt: skip
    return Path(start, end, path.gains, path.shake * strength)  # type: ignore[arg-type]


class Camera:
    """Takes frames of ``layers`` along ``path``; ``frame(t)`` for t in 0..1 depends on nothing else.

    Args:
        layers: What is in front of it.
        path: Its move.
        size: Frame (width, height) in pixels.
        seed: Phases of hand-held movement.
    """

    def __init__(self, layers: Layers, path: Path, size: tuple[int, int], seed: int) -> None:
        self.layers, self.path, self.size = layers, path, size
        self._phases: NDArray[np.float64] = np.random.default_rng(seed).uniform(0, 2 * math.pi, 4)
        masked = (layers.cast, layers.front)
        self._bounds = [layer.mask.getbbox() if layer and layer.mask else None for layer in masked]

    def frame(self, t: float, seconds: float) -> Image.Image:
        """Return the picture at ``t`` of the move, 0..1, ``seconds`` after its start."""
        boxes = [self._box(t, seconds, gain) for gain in self.path.gains]
        picture = self.layers.backdrop.image.resize(self.size, Image.Resampling.BILINEAR, box=boxes[0])
        boxes[1] = self._bobbed(boxes[1], seconds)
        for layer, box, bounds in zip((self.layers.cast, self.layers.front), boxes[1:], self._bounds, strict=True):
            if layer is not None and bounds is not None:
                _lay(picture, layer, box, bounds)
        return picture

    def _box(self, t: float, seconds: float, gain: float) -> Box:
        """Return the part of a sheet that the frame shows, in pixels of the sheet."""
        x, y, zoom = self._at(t, seconds)
        width, height = self.size
        sheet = self.layers.backdrop.image.size
        scale = 1 / max(1.0, 1 + (zoom - 1) * gain)
        half_w, half_h = width * scale / 2, height * scale / 2
        left = width * (MARGIN + 0.5 + x * gain) - half_w
        top = height * (MARGIN + 0.5 + y * gain) - half_h
        left = min(max(left, 0.0), sheet[0] - 2 * half_w)
        top = min(max(top, 0.0), sheet[1] - 2 * half_h)
        return left, top, left + 2 * half_w, top + 2 * half_h

    def _bobbed(self, box: Box, seconds: float) -> Box:
        part, rate = self.path.step
        lift = self.size[1] * part * abs(math.sin(math.pi * rate * seconds))
        room = self.layers.cast.image.height - box[3]
        return box[0], box[1] + min(lift, room), box[2], box[3] + min(lift, room)

    def _at(self, t: float, seconds: float) -> tuple[float, float, float]:
        # Half a linear move, half an eased one: it starts and stops softly without standing still.
        e = 0.5 * t + 0.5 * t * t * (3 - 2 * t)
        x, y, zoom = (a + (b - a) * e for a, b in zip(self.path.start, self.path.end, strict=True))
        p, shake = self._phases, self.path.shake
        x += shake * (math.sin(2.1 * seconds + p[0]) + 0.5 * math.sin(5.3 * seconds + p[1]))
        y += shake * (math.sin(2.7 * seconds + p[2]) + 0.5 * math.sin(6.1 * seconds + p[3]))
        return x, y, zoom


def _lay(picture: Image.Image, layer: Layer, box: Box, bounds: tuple[int, int, int, int]) -> None:
    """Paste the drawn part of a masked layer onto ``picture``, which shows ``box`` of the sheet."""
    width, height = picture.size
    across, down = (box[2] - box[0]) / width, (box[3] - box[1]) / height
    x0, y0 = max(0, math.floor((bounds[0] - box[0]) / across)), max(0, math.floor((bounds[1] - box[1]) / down))
    x1 = min(width, math.ceil((bounds[2] - box[0]) / across) + 1)
    y1 = min(height, math.ceil((bounds[3] - box[1]) / down) + 1)
    if x1 <= x0 or y1 <= y0:
        return
    part = (box[0] + x0 * across, box[1] + y0 * down, min(box[0] + x1 * across, layer.image.width),
            min(box[1] + y1 * down, layer.image.height))  # fmt: skip
    size = (x1 - x0, y1 - y0)
    assert layer.mask is not None
    image = layer.image.resize(size, Image.Resampling.BILINEAR, box=part)
    mask = layer.mask.resize(size, Image.Resampling.BILINEAR, box=part)
    picture.paste(image, (x0, y0), mask)


class Afterimage:
    """The handed-over picture moving on by itself while it gives way to the new drawing.

    With two or more handed-over frames their drift and zoom are measured and carried on, slowing down. What stood
    still at the top and bottom of them (captions, slates) keeps standing still.

    Args:
        handed_over: uint8 RGB (K, H, W, 3).
    """

    _PAD = 0.12
    _SLOWING = 6.0  #: frames in which the carried motion falls to a third

    def __init__(self, handed_over: Frames) -> None:
        last = handed_over[-1]
        self.size = (last.shape[1], last.shape[0])
        self._motion = motion_between(handed_over[-2], last) if len(handed_over) > 1 else (0.0, 0.0, 0.0)
        self._pad = (math.ceil(self.size[0] * self._PAD), math.ceil(self.size[1] * self._PAD))
        padded = np.pad(last, ((self._pad[1],) * 2, (self._pad[0],) * 2, (0, 0)), mode="edge")
        self._image = Image.fromarray(padded)
        self._still = Image.fromarray(last), _still_mask(handed_over)

    def frame(self, after: int) -> Image.Image:
        """Return the picture ``after`` frames (1 or more) past the last handed-over one."""
        reach = self._SLOWING * (1 - math.exp(-after / self._SLOWING))
        x, y, zoom = (v * reach for v in self._motion)
        width, height = self.size
        scale = min(max(1 - zoom, 0.85), 1.15)
        half_w, half_h = width * scale / 2, height * scale / 2
        left = min(max(self._pad[0] + width * (0.5 + x) - half_w, 0.0), self._image.width - 2 * half_w)
        top = min(max(self._pad[1] + height * (0.5 + y) - half_h, 0.0), self._image.height - 2 * half_h)
        box = (left, top, left + 2 * half_w, top + 2 * half_h)
        picture = self._image.resize(self.size, Image.Resampling.BILINEAR, box=box)
        picture.paste(self._still[0], (0, 0), self._still[1])
        return picture


def _still_mask(handed_over: Frames) -> Image.Image:
    """Return 255 where the last two frames agree, in the top sixth and the bottom third; soft-edged, L."""
    height = handed_over.shape[1]
    still = np.abs(handed_over[-1].astype(np.int16) - handed_over[-min(2, len(handed_over))]).max(axis=2) <= 3
    still[height // 6 : height * 2 // 3] = False
    # Opened, so that grain which happens to agree does not speckle the moving picture; then grown over edges.
    mask = Image.fromarray(still.astype(np.uint8) * 255).filter(ImageFilter.MinFilter(3))
    return mask.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(1.5))


def motion_between(one: Frames, other: Frames) -> tuple[float, float, float]:
    """Estimate the camera's movement from one frame to the next by least squares on brightness.

    Args:
        one: uint8 RGB (H, W, 3).
        other: The frame after it.

    Returns:
        (right, down, zoom) as parts of the frame; at most 0.03 each way.
    """
    a, b = (np.asarray(Image.fromarray(f).convert("L").reduce(4), np.float64) for f in (one, other))
    if min(a.shape) < 8:
        return 0.0, 0.0, 0.0
    down, right = np.gradient((a + b) / 2)
    rows, columns = a.shape
    y, x = np.mgrid[-0.5 : 0.5 : rows * 1j, -0.5 : 0.5 : columns * 1j]
    seen = slice(rows // 8, rows * 3 // 4)  # captions and slate stand still
    basis = np.stack([columns * right, rows * down, -(columns * x * right + rows * y * down)], -1)[seen].reshape(-1, 3)
    found = np.linalg.lstsq(basis, (b - a)[seen].ravel(), rcond=None)[0]
    return tuple(float(np.clip(v, -0.03, 0.03)) for v in found)  # type: ignore[return-value]
