"""Rain and snow that fall through a shot, and fog that lies in it."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from storymem_backbones.animatic.colour import RGB, Palette, mix
from storymem_backbones.animatic.scenery import place_dice
from storymem_backbones.animatic.sheet import Sheet

_COUNT = {"rain": 170, "snow": 190}
_SPEED = {"rain": 1.9, "snow": 0.16}  #: frame heights per second


def fog(sheet: Sheet, palette: Palette) -> None:
    """Lay banks of fog over a backdrop."""
    pale = mix(palette.sky_low, (255, 255, 255), 0.4)
    for x, y in place_dice("weather").uniform(0, 1, (9, 2)):
        sheet.soft_ellipse((float(x) * sheet.stage.width, 30 + 60 * float(y)), (55, 13), pale, 0.5)


class Falling:
    """A curtain of drops or flakes, twice as high as the frame and seamless, that slides down frame by frame.

    Args:
        kind: ``rain`` or ``snow``.
        colour: sRGB of a drop.
        size: Frame (width, height) in pixels.
    """

    def __init__(self, kind: str, colour: RGB, size: tuple[int, int]) -> None:
        self.kind, self.size = kind, size
        self.colour = colour if kind == "rain" else (250, 250, 252)
        curtain = Image.new("L", (size[0] * 2, size[1] * 2), 0)
        pen = ImageDraw.Draw(curtain)
        for x, y, depth in place_dice(kind).uniform(0, 1, (_COUNT[kind], 3)):
            for lift in (-1, 0, 1):
                self._draw(pen, float(x), float(y) + lift, float(depth))
        once = curtain.reduce(2)
        self._mask = Image.new("L", (size[0], size[1] * 2))
        self._mask.paste(once, (0, 0))
        self._mask.paste(once, (0, size[1]))

    def _draw(self, pen: ImageDraw.ImageDraw, x: float, y: float, depth: float) -> None:
        unit = self.size[1] / 50  # one unit of the frame, drawn at twice the size
        at = (x * self.size[0] * 2, y * self.size[1] * 2)
        strength = round(70 + 110 * depth)
        if self.kind == "snow":
            r = (0.25 + 0.55 * depth) * unit
            pen.ellipse((at[0] - r, at[1] - r, at[0] + r, at[1] + r), strength)
        else:
            long = (3.5 + 5 * depth) * unit
            pen.line((*at, at[0] - long * 0.12, at[1] + long), strength, max(1, round(0.22 * unit)))

    def lay(self, picture: Image.Image, seconds: float) -> None:
        """Paste the curtain as it hangs after ``seconds``."""
        width, height = self.size
        fallen = round(seconds * _SPEED[self.kind] * height) % height
        mask = self._mask.crop((0, height - fallen, width, 2 * height - fallen))
        if self.kind == "snow":
            sway = round(width * 0.012 * math.sin(1.3 * seconds))
            mask = Image.fromarray(np.roll(np.asarray(mask), sway, axis=1))
        picture.paste(self.colour, (0, 0), mask)
