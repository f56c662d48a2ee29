"""A drawing surface larger than the frame, in units of the frame, drawn at twice the size and reduced.

Units: the frame is 100 high and ``stage.width`` wide, (0, 0) its top left,
y down. It knows nothing about what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from storymem_backbones.animatic.colour import RGB, mix

Point = tuple[float, float]
MARGIN = 0.18  #: of the frame, on each side; room for camera moves
_FINE = 2_300_000  #: frames with at most this many pixels are drawn at twice the size


@dataclass(frozen=True, slots=True)
class Stage:
    """The frame and the sheet around it.

    Attributes:
        pixels: Frame (width, height) in pixels.
    """

    pixels: tuple[int, int]

    @property
    def width(self) -> float:
        """Frame width in units."""
        return 100 * self.pixels[0] / self.pixels[1]

    @property
    def edge(self) -> Point:
        """Margin in units, (x, y)."""
        return MARGIN * self.width, MARGIN * 100

    @property
    def sheet_pixels(self) -> tuple[int, int]:
        """Size of a finished sheet in pixels."""
        return tuple(math.ceil(side * (1 + 2 * MARGIN)) for side in self.pixels)  # type: ignore[return-value]

    @property
    def oversize(self) -> int:
        """Drawing scale before reduction."""
        return 2 if self.pixels[0] * self.pixels[1] <= _FINE else 1


class Sheet:
    """One layer. Opaque, or with a mask that is 0 where nothing was drawn."""

    def __init__(self, stage: Stage, ground: RGB, masked: bool = False) -> None:
        self.stage = stage
        width, height = stage.sheet_pixels
        size = width * stage.oversize, height * stage.oversize
        self.image = Image.new("RGB", size, ground)
        self.mask = Image.new("L", size, 0) if masked else None
        self._pen = ImageDraw.Draw(self.image)
        self._mask_pen = ImageDraw.Draw(self.mask) if self.mask is not None else None
        self._scale = stage.pixels[1] / 100 * stage.oversize

    def polygon(self, points: Sequence[Point], fill: RGB, shade: RGB | None = None, turn: Point = (1.2, 0.4)) -> None:
        """Fill a polygon; with ``shade``, darken its side facing away from ``turn`` (units)."""
        pixels = [self._at(p) for p in points]
        if len(pixels) < 3:
            return
        self._pen.polygon(pixels, fill)
        if self._mask_pen is not None:
            self._mask_pen.polygon(pixels, 255)
        if shade is not None:
            self._shade(pixels, shade, turn)

    def circle(self, centre: Point, radius: float, fill: RGB) -> None:
        """Fill a circle."""
        (x, y), r = self._at(centre), radius * self._scale
        box = (x - r, y - r, x + r, y + r)
        self._pen.ellipse(box, fill)
        if self._mask_pen is not None:
            self._mask_pen.ellipse(box, 255)

    def gradient(self, top: float, bottom: float, colours: Sequence[RGB]) -> None:
        """Fill the full width from ``top`` to ``bottom`` (units) with a vertical gradient."""
        y0, y1 = (max(0, round(self._at((0, y))[1])) for y in (top, bottom))
        if y1 <= y0:
            return
        strip = Image.fromarray(np.asarray(colours, np.uint8)[:, None, :])
        column = strip.resize((1, y1 - y0), Image.Resampling.BICUBIC)
        self.image.paste(column.resize((self.image.width, y1 - y0)), (0, y0))

    def glow(self, centre: Point, radius: float, colour: RGB, strength: float) -> None:
        """Lay a soft round light (or shadow) over what is there; ``strength`` 0..1."""
        self.soft_ellipse(centre, (radius, radius), colour, strength)

    def soft_ellipse(self, centre: Point, radii: Point, colour: RGB, strength: float) -> None:
        """Lay a soft ellipse over what is there; also adds to the mask."""
        (x, y), rx, ry = self._at(centre), radii[0] * self._scale, radii[1] * self._scale
        box = round(x - rx), round(y - ry), round(x + rx), round(y + ry)
        if box[2] - box[0] < 2 or box[3] - box[1] < 2:
            return
        clip = max(box[0], 0), max(box[1], 0), min(box[2], self.image.width), min(box[3], self.image.height)
        if clip[2] <= clip[0] or clip[3] <= clip[1]:
            return
        spot = _spot().resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR)
        spot = spot.crop((clip[0] - box[0], clip[1] - box[1], clip[2] - box[0], clip[3] - box[1]))
        spot = spot.point([round(v * strength) for v in range(256)])
        if self.mask is None:
            self.image.paste(colour, clip, spot)
        else:
            self._soft_masked(colour, clip, spot)

    def _soft_masked(self, colour: RGB, clip: tuple[int, int, int, int], spot: Image.Image) -> None:
        assert self.mask is not None
        empty = self.mask.crop(clip).point([255] + [0] * 255)
        self.image.paste(colour, clip, empty)
        self.image.paste(colour, clip, spot)
        self.mask.paste(ImageChops.lighter(self.mask.crop(clip), spot), clip)

    def _at(self, point: Point) -> Point:
        edge_x, edge_y = self.stage.edge
        return (point[0] + edge_x) * self._scale, (point[1] + edge_y) * self._scale

    def _shade(self, pixels: Sequence[Point], shade: RGB, turn: Point) -> None:
        xs, ys = [p[0] for p in pixels], [p[1] for p in pixels]
        x0, y0 = max(0, math.floor(min(xs))), max(0, math.floor(min(ys)))
        x1, y1 = min(self.image.width, math.ceil(max(xs)) + 1), min(self.image.height, math.ceil(max(ys)) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        body = Image.new("L", (x1 - x0, y1 - y0), 0)
        ImageDraw.Draw(body).polygon([(x - x0, y - y0) for x, y in pixels], 255)
        lit = Image.new("L", body.size, 0)
        lit.paste(body, (round(-turn[0] * self._scale), round(-turn[1] * self._scale)))
        self.image.paste(shade, (x0, y0), ImageChops.subtract(body, lit))

    def finish(self, grain: float, blur: float = 0.0) -> tuple[Image.Image, Image.Image | None]:
        """Return image and mask at sheet size, with paper grain of that strength; ``blur`` is a radius in units."""
        image = self.image.reduce(self.stage.oversize)
        mask = self.mask.reduce(self.stage.oversize) if self.mask is not None else None
        if blur > 0:
            image = _blurred(image, blur * self.stage.pixels[1] / 100)
        return _textured(image, grain), mask


class Pen:
    """Draws in a figure's own coordinates: x right, y up, (0, 0) at its feet, 1 its height.

    Args:
        sheet: Where to draw.
        x: Feet, units.
        y: Feet, units.
        height: Units.
        mirror: Whether x points left.
    """

    def __init__(self, sheet: Sheet, x: float, y: float, height: float, mirror: bool = False) -> None:
        self.sheet, self.x, self.y, self.height = sheet, x, y, height
        self.side = -1.0 if mirror else 1.0

    def at(self, point: Point) -> Point:
        """Return a point of the figure in sheet units."""
        return self.x + self.side * self.height * point[0], self.y - self.height * point[1]

    def blob(self, points: Sequence[Point], fill: RGB, shade: RGB | None = None) -> None:
        """Fill a smooth closed curve through ``points``."""
        self.polygon(smooth(points), fill, shade)

    def polygon(self, points: Sequence[Point], fill: RGB, shade: RGB | None = None) -> None:
        """Fill a polygon with corners."""
        turn = (0.022 * self.height, 0.006 * self.height)
        self.sheet.polygon([self.at(p) for p in points], fill, shade, turn)

    def ellipse(self, centre: Point, radii: Point, fill: RGB, shade: RGB | None = None, tilt: float = 0.0) -> None:
        """Fill an ellipse, turned by ``tilt`` degrees."""
        self.polygon(ellipse(centre, radii, tilt), fill, shade)

    def limb(self, points: Sequence[Point], widths: Sequence[float], fill: RGB) -> None:
        """Draw a tapered, round-ended stroke; ``widths`` are radii at the points."""
        for one, other, r0, r1 in zip(points, points[1:], widths, widths[1:], strict=False):
            dx, dy = other[0] - one[0], other[1] - one[1]
            length = math.hypot(dx, dy) or 1.0
            nx, ny = -dy / length, dx / length
            quad = [
                (one[0] + nx * r0, one[1] + ny * r0), (other[0] + nx * r1, other[1] + ny * r1),
                (other[0] - nx * r1, other[1] - ny * r1), (one[0] - nx * r0, one[1] - ny * r0),
            ]  # fmt: skip
            self.polygon(quad, fill)
        for point, radius in zip(points, widths, strict=False):
            self.sheet.circle(self.at(point), radius * self.height, fill)

    def curve(self, points: Sequence[Point], radius: float, fill: RGB) -> None:
        """Draw an open smooth line of even width through ``points``."""
        path = smooth(points, closed=False)
        self.limb(path, [radius] * len(path), fill)


def ellipse(centre: Point, radii: Point, tilt: float = 0.0, corners: int = 56) -> list[Point]:
    """Return an ellipse as a polygon."""
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    around = [2 * math.pi * i / corners for i in range(corners)]
    flat = [(radii[0] * math.cos(a), radii[1] * math.sin(a)) for a in around]
    return [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in flat]


def smooth(points: Sequence[Point], closed: bool = True, steps: int = 7) -> list[Point]:
    """Return a Catmull-Rom curve through ``points`` as a polygon."""
    p = np.asarray(points, np.float64)
    before = np.roll(p, 1, 0) if closed else np.vstack([p[:1], p[:-1]])
    after = np.roll(p, -1, 0) if closed else np.vstack([p[1:], p[-1:]])
    beyond = np.roll(p, -2, 0) if closed else np.vstack([p[2:], p[-1:], p[-1:]])
    t = (np.arange(steps) / steps)[None, :, None]
    p0, p1, p2, p3 = (q[:, None, :] for q in (before, p, after, beyond))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    flat = curve.reshape(-1, 2) if closed else np.vstack([curve[:-1].reshape(-1, 2), p[-1:]])
    return [(float(x), float(y)) for x, y in flat]


def darker(colour: RGB, ink: RGB, amount: float = 0.22) -> RGB:
    """Return the shaded version of ``colour``."""
    return mix(colour, ink, amount)


@lru_cache(maxsize=1)
def _spot() -> Image.Image:
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    fade = np.clip(1 - np.hypot(x, y), 0, 1)
    return Image.fromarray((255 * fade * fade * (3 - 2 * fade)).astype(np.uint8))


def _blurred(image: Image.Image, radius: float) -> Image.Image:
    # A wide blur of a reduced picture looks the same and costs a sixteenth.
    factor = 4 if radius > 4 else 1
    small = image.reduce(factor) if factor > 1 else image
    return small.filter(ImageFilter.GaussianBlur(radius / factor)).resize(image.size, Image.Resampling.BICUBIC)


def _textured(image: Image.Image, grain: float) -> Image.Image:
    """Lay slow washes of a few per cent over a picture, and paper grain of strength ``grain``."""
    width, height = image.size
    tile = np.tile(_tooth(), (height // 256 + 1, width // 256 + 1))[:height, :width]
    wash = np.asarray(_wash().resize(image.size, Image.Resampling.BICUBIC), np.int16) - 128
    delta = ((tile.astype(np.int16) * (5 * grain) + wash * 12) / 128).astype(np.int16)
    return Image.fromarray(np.clip(np.asarray(image, np.int16) + delta[..., None], 0, 255).astype(np.uint8))


@lru_cache(maxsize=1)
def _tooth() -> NDArray[np.int8]:
    noise = np.random.default_rng(7).normal(0, 1, (256, 256))
    soft = noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))
    return np.clip(soft / 2 * 46, -127, 127).astype(np.int8)


@lru_cache(maxsize=1)
def _wash() -> Image.Image:
    return Image.fromarray(np.random.default_rng(11).integers(40, 216, (7, 12), dtype=np.uint8))
