"""What backdrops are made of: the set, sky, clouds, hills, ground and weather.

A backdrop depends on the place's name (its hash lays out hills and houses), the hour and the framing alone, so the
same place looks the same in every shot.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from storymem_backbones.animatic.colour import RGB, Palette, mix
from storymem_backbones.animatic.sheet import Point, Sheet, smooth


@dataclass(frozen=True, slots=True)
class Set:
    """A backdrop being drawn.

    Attributes:
        sheet: Opaque sheet.
        palette: Its colours.
        horizon: Height of the horizon, units from the top of the frame.
        zoom: 1 for wide framings, larger for close ones.
        dice: Draws that depend on the place alone.
    """

    sheet: Sheet
    palette: Palette
    horizon: float
    zoom: float
    dice: np.random.Generator

    @property
    def left(self) -> float:
        """Left edge of the sheet, units."""
        return -self.sheet.stage.edge[0]

    @property
    def right(self) -> float:
        """Right edge of the sheet, units."""
        return self.sheet.stage.width + self.sheet.stage.edge[0]

    @property
    def bottom(self) -> float:
        """Lower edge of the sheet, units."""
        return 100 + self.sheet.stage.edge[1]

    @property
    def top(self) -> float:
        """Upper edge of the sheet, units."""
        return -self.sheet.stage.edge[1]

    @property
    def centre(self) -> float:
        """Middle of the frame, units."""
        return self.sheet.stage.width / 2

    def across(self, count: int, jitter: float = 0.35) -> list[float]:
        """Return ``count`` x positions spread over the sheet with some disorder."""
        step = (self.right - self.left) / count
        return [self.left + step * (i + 0.5 + jitter * self.uniform(-1, 1)) for i in range(count)]

    def uniform(self, low: float, high: float) -> float:
        """Return a number between ``low`` and ``high``."""
        return float(self.dice.uniform(low, high))


def place_dice(name: str) -> np.random.Generator:
    """Return a generator that depends on a name alone, in every process."""
    digest = hashlib.sha256(name.casefold().encode("utf-8", "replace")).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def sky(scene: Set) -> None:
    """Draw sky, sun or moon, stars and clouds."""
    palette, hour_is_dark = scene.palette, scene.palette.light.sky[0][0] < 0.4
    scene.sheet.gradient(scene.top, scene.horizon + 6, (palette.sky_top, mix(palette.sky_top, palette.sky_low, 0.45),
                                                       palette.sky_low))  # fmt: skip
    x = scene.left + (scene.right - scene.left) * scene.uniform(0.2, 0.8)
    low = 0.78 if palette.light.air[2] == 50 else 0.36
    y, radius = scene.horizon * low, 5.2 * scene.zoom
    scene.sheet.glow((x, y), radius * 5.5, palette.sun, 0.5)
    scene.sheet.circle((x, y), radius, palette.sun)
    if hour_is_dark:
        stars(scene, 60)
    for cloud_x in scene.across(5):
        if scene.uniform(0, 1) < 0.75:
            cloud(scene, (cloud_x, scene.horizon * scene.uniform(0.08, 0.72)), scene.uniform(5, 11))


def stars(scene: Set, count: int) -> None:
    """Sprinkle stars above the horizon."""
    for _ in range(count):
        x, y = scene.uniform(scene.left, scene.right), scene.uniform(scene.top, scene.horizon * 0.85)
        colour = mix(scene.palette.sky_top, (255, 250, 235), scene.uniform(0.4, 0.95))
        scene.sheet.circle((x, y), scene.uniform(0.16, 0.42), colour)


def cloud(scene: Set, at: Point, size: float) -> None:
    """Draw a flat-bottomed cloud."""
    colour = mix(scene.palette.sky_low, scene.palette.sun, 0.35)
    colour = mix(scene.palette.sky_top, colour, 0.62)
    x, y = at
    bumps = [(-1.7, 0), (-1.5, -0.28), (-0.9, -0.42), (-0.5, -0.8), (0.1, -0.92), (0.6, -0.62), (1.1, -0.5),
             (1.6, -0.2),
             (1.8, 0)]  # fmt: skip
    size *= scene.zoom
    scene.sheet.polygon(smooth([(x + dx * size, y + dy * size * 0.6) for dx, dy in bumps]), colour)


def ridge(scene: Set, y: float, rise: float, colours: tuple[RGB, RGB], rough: int = 7, sharp: bool = False) -> None:
    """Draw a range of hills (or, ``sharp``, of peaks) from ``y`` down to the bottom of the sheet."""
    xs = np.linspace(scene.left - 4, scene.right + 4, rough)
    tops = [(float(x), y - rise * scene.uniform(0.05, 1.0)) for x in xs]
    line = tops if sharp else smooth(tops, closed=False)
    outline = [*line, (scene.right + 9, scene.bottom + 5), (scene.left - 9, scene.bottom + 5)]
    scene.sheet.polygon(outline, colours[0])
    lower = [(px, py + rise * 0.35 + 2.5) for px, py in line]
    scene.sheet.polygon([*lower, (scene.right + 9, scene.bottom + 5), (scene.left - 9, scene.bottom + 5)],
                        mix(colours[0], colours[1], 0.5))  # fmt: skip


def ground(scene: Set, near: RGB, far: RGB) -> None:
    """Fill from the horizon down."""
    scene.sheet.gradient(scene.horizon, scene.bottom, (far, mix(far, near, 0.6), near))


def tufts(scene: Set, colour: RGB, count: int) -> None:
    """Scatter blades of grass over the ground, larger nearer."""
    for _ in range(count):
        depth = scene.uniform(0.15, 1.0)
        x, y = scene.uniform(scene.left, scene.right), scene.horizon + 12 + depth * (scene.bottom - scene.horizon - 12)
        tall = (1.0 + 3.2 * depth) * scene.zoom
        for lean in (-0.4, 0.0, 0.45):
            scene.sheet.polygon([(x - tall * 0.07, y), (x + lean * tall, y - tall), (x + tall * 0.07, y)], colour)


#: The hue a kind of place brings along, in degrees.
HUES: dict[str, float] = {
    "field": 135, "forest": 145, "mountain": 255, "snow": 245, "sea": 220, "desert": 70, "city": 255, "underwater": 212,
    "space": 280, "room": 70, "library": 55, "hall": 75, "stage": 15,
}  # fmt: skip
