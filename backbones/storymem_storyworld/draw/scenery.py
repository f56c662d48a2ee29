"""Building blocks of the places: skies, hills, rows of trees, walls, floors, windows.

Background coordinates: x runs along the scenery (with parallax by layer), y = 0 is the horizon or the foot
of the wall, y < 0 is the ground. Units are those of the world at the widest shot.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from storymem_storyworld.draw import sdf
from storymem_storyworld.draw.painter import Canvas, constant, mixed

Rgb = tuple[float, float, float]
Ramp = tuple[Rgb, Rgb, Rgb]


def ramp(stops: Ramp, position: Tensor) -> Tensor:
    """Colour (N, 3) at `position` in [0, 1] (N,) between three stops."""
    table = constant(stops, position.device)
    low = torch.lerp(table[0], table[1], (2 * position).clamp(0, 1)[:, None])
    return torch.lerp(low, table[2], (2 * position - 1).clamp(0, 1)[:, None])


@dataclass
class Scene:
    """A batch of pictures of one kind of place while it is painted.

    Attributes:
        screen_x: Horizontal background coordinate before parallax, (N, 1, W).
        y: Height above the horizon, (N, H, 1).
        pixel: Background units a pixel, (N, 1, 1).
        camera: Camera position, (N, 1, 1).
        layout: Where along the scenery the place lies, (N, 1, 1).
        palette: (N, 2) in [0, 1].
        night, sunset: 0 or 1, (N,).
    """

    canvas: Canvas
    screen_x: Tensor
    y: Tensor
    pixel: Tensor
    camera: Tensor
    layout: Tensor
    palette: Tensor
    night: Tensor
    sunset: Tensor

    def x(self, parallax: float) -> Tensor:
        """Horizontal coordinate (N, 1, W) of a layer that moves by `parallax` of the camera."""
        return self.screen_x + self.camera * parallax + self.layout * 37.0

    def cover(self, distance: Tensor) -> Tensor:
        """Antialiased coverage."""
        return sdf.cover(distance, self.pixel)

    def fill(
        self,
        distance: Tensor,
        colour: Tensor | Rgb,
        shade: Tensor | None = None,
        lit: bool = False,
        alpha: float = 1.0,
    ) -> None:
        """Paint the inside of a shape."""
        mask = self.cover(distance).expand(self.canvas.rgb.shape[0], *self.canvas.rgb.shape[2:])
        self.canvas.fill(mask if alpha == 1.0 else mask * alpha, colour, shade, lit)

    def by_time(self, day: Tensor | Rgb, sunset: Tensor | Rgb, night: Tensor | Rgb) -> Tensor:
        """The colour (N, 3) that belongs to each picture's time of day."""
        colour = torch.lerp(self.canvas.colour(day), self.canvas.colour(sunset), self.sunset[:, None])
        return torch.lerp(colour, self.canvas.colour(night), self.night[:, None])

    def main(self, stops: Ramp) -> Tensor:
        """The place's main colour."""
        return ramp(stops, self.palette[:, 0])

    def second(self, stops: Ramp) -> Tensor:
        """The place's ground colour."""
        return ramp(stops, self.palette[:, 1])


def chance(cell: Tensor, salt: float) -> Tensor:
    """A smooth-enough pseudo-random number in [0, 1] for each (integer) cell."""
    return torch.sin(cell * 2.399 + salt * 1.7) * 0.5 + 0.5


def cells(x: Tensor, period: float, salt: float = 0.0, wander: float = 0.0) -> tuple[Tensor, Tensor]:
    """Cut x into cells: the coordinate from the (wandering) middle of the cell, and the cell's number."""
    number = torch.floor(x / period)
    local = x - (number + 0.5) * period
    return local - wander * period * (chance(number, salt) - 0.5), number


def sky(scene: Scene, day: tuple[Rgb, Rgb], stars: bool = True) -> None:
    """Sky gradient (top, horizon), with sun or moon and stars."""
    top = scene.by_time(day[0], (0.36, 0.33, 0.60), (0.05, 0.07, 0.20))
    low = scene.by_time(day[1], (1.0, 0.70, 0.45), (0.20, 0.24, 0.46))
    height = (scene.y / 1.5).clamp(0, 1) ** 0.8
    scene.canvas.fill(torch.ones_like(scene.canvas.rgb[:, 0]), low, lit=True)
    scene.canvas.fill(height.expand_as(scene.canvas.rgb[:, 0]), top, lit=True)
    x = scene.screen_x + 0.12 * scene.camera + 1.4 * (scene.layout - 0.5)
    drop = 0.62 * scene.sunset[:, None, None]
    disc = sdf.circle(x - 0.55, scene.y - 0.98 + drop, 0.15)
    light = scene.by_time((1.0, 0.97, 0.80), (1.0, 0.86, 0.55), (0.96, 0.96, 0.86))
    halo = (0.32 * (1.0 - disc / 0.5)).clamp(0.0, 0.4)
    scene.canvas.fill(halo.expand_as(scene.canvas.rgb[:, 0]), light, lit=True)
    scene.fill(disc, light, lit=True)
    if stars:
        sx, column = cells(x, 0.34, 1.0, 0.7)
        sy = scene.y - 0.45 - 1.05 * chance(column, 5.0)
        twinkle = scene.cover(sdf.circle(sx, sy, 0.02)) * scene.night[:, None, None]
        scene.canvas.fill(twinkle, (0.95, 0.95, 0.85), lit=True)


def clouds(scene: Scene, height: float = 1.15) -> None:
    """Puffy clouds, parallax 0.1."""
    x, cell = cells(scene.x(0.1), 1.7, 2.0, 0.35)
    y = scene.y - height - 0.22 * (chance(cell, 4.0) - 0.5)
    puff = torch.minimum(sdf.ellipse(x, y, 0.3, 0.075), sdf.circle(x + 0.07, y - 0.06, 0.12))
    puff = torch.minimum(puff, sdf.circle(x - 0.1, y - 0.04, 0.09))
    scene.fill(puff, scene.by_time((1.0, 1.0, 1.0), (1.0, 0.80, 0.72), (0.30, 0.34, 0.52)), lit=True, alpha=0.85)


def hills(
    scene: Scene, parallax: float, base: float, swing: float, length: float, colour: Tensor, salt: float = 0.0
) -> Tensor:
    """A rolling ridge; returns its height (N, 1, W)."""
    x = scene.x(parallax) * (6.283 / length) + salt
    ridge = base + swing * (0.65 * torch.sin(x) + 0.35 * torch.sin(2.3 * x + 1.3))
    shade = 0.92 + 0.16 * ((scene.y - ridge + 0.5) / 0.5).clamp(0, 1)
    scene.fill(scene.y - ridge, colour, shade)
    return ridge


def ground(scene: Scene, colour: Tensor | Rgb) -> None:
    """The ground plane below the horizon, darker towards the viewer."""
    shade = 1.06 + 0.22 * scene.y.clamp(-1.0, 0.0) + 0.0 * scene.screen_x
    scene.fill(scene.y + 0.0 * scene.screen_x, colour, shade)


def tufts(scene: Scene, colour: Tensor | Rgb, period: float = 0.42) -> None:
    """Scattered flat patches on the ground (grass, pebbles, snow), parallax 0.9."""
    for row, depth in enumerate((0.09, 0.21, 0.36)):
        x, _ = cells(scene.x(0.75 + 0.1 * row), period * (1 + 0.35 * row), 3.0 * row, 0.6)
        scene.fill(sdf.ellipse(x, scene.y + depth, 0.06 + 0.035 * row, 0.014 + 0.006 * row), colour, alpha=0.6)


def round_trees(
    scene: Scene, parallax: float, period: float, size: float, leaf: Tensor, trunk: Tensor, salt: float
) -> None:
    """A row of round trees standing on the horizon."""
    x, cell = cells(scene.x(parallax), period, salt, 0.4)
    grown = size * (0.8 + 0.4 * chance(cell, salt + 2.0))
    scene.fill(sdf.segment(x, scene.y, 0.0, -0.02, 0.0, grown * 0.6, 0.09 * size), trunk)
    crown = sdf.circle(x, scene.y - grown * 0.95, 0.42 * grown)
    crown = torch.minimum(crown, sdf.circle(x + 0.28 * grown, scene.y - 0.75 * grown, 0.27 * grown))
    crown = torch.minimum(crown, sdf.circle(x - 0.28 * grown, scene.y - 0.75 * grown, 0.27 * grown))
    light = 1.0 + 0.16 * ((scene.y - grown * 0.9) / (0.45 * grown) - 0.5 * x / grown).clamp(-1, 1)
    scene.fill(crown, leaf, light)


def pine_trees(scene: Scene, parallax: float, period: float, size: float, leaf: Tensor, salt: float) -> None:
    """A row of conifers standing on the horizon."""
    x, cell = cells(scene.x(parallax), period, salt, 0.4)
    grown = size * (0.75 + 0.5 * chance(cell, salt + 1.0))
    scene.fill(sdf.box(x, scene.y - 0.08 * size, 0.045 * size, 0.1 * size), mixed(leaf, (0.25, 0.16, 0.12), 0.8))
    for level, width in ((0.12, 0.36), (0.38, 0.29), (0.62, 0.21)):
        tier = sdf.spike(x, scene.y - level * grown, width * grown, 0.45 * grown)
        scene.fill(tier, leaf, 0.9 + 0.35 * level + 0.14 * (-x / grown).clamp(-0.4, 0.4))


def wall(scene: Scene, colour: Tensor, trim: Tensor | Rgb) -> None:
    """A lit wall with a skirting board, filling everything above the floor."""
    shade = 0.90 + 0.13 * (scene.y / 1.4).clamp(0, 1) + 0.0 * scene.screen_x
    scene.canvas.fill(torch.ones_like(scene.canvas.rgb[:, 0]), colour, shade)
    scene.fill(sdf.box(0.0 * scene.screen_x, scene.y - 0.035, 9.0, 0.035), trim)


def window(scene: Scene, x: Tensor, height: float, half_width: float, half_height: float, frame: Tensor | Rgb) -> None:
    """A window to the sky; x (N, 1, W) runs from its middle."""
    y = scene.y - height
    scene.fill(sdf.box(x, y, half_width + 0.045, half_height + 0.045, 0.02), frame)
    outside = scene.by_time((0.66, 0.86, 0.98), (1.0, 0.66, 0.42), (0.10, 0.14, 0.34))
    glass = 1.0 + 0.12 * (y / half_height).clamp(-1, 1)
    scene.fill(sdf.box(x, y, half_width, half_height), outside, glass + 0.0 * x, lit=True)
    scene.fill(torch.minimum(sdf.box(x, y, 0.018, half_height), sdf.box(x, y, half_width, 0.018)), frame)


def floor(scene: Scene, colour: Tensor | Rgb) -> None:
    """An indoor floor with boards running to the viewer."""
    ground(scene, colour)
    x = scene.x(0.85) / (1.0 + 1.1 * (-scene.y).clamp(min=0.0))
    seam = torch.remainder(x, 0.4) - 0.2
    line = seam.abs() - 0.008
    mask = scene.cover(torch.maximum(line, scene.y))
    scene.canvas.fill(mask * 0.35, (0.12, 0.08, 0.08))


def thing(
    scene: Scene, distance: Tensor, colour: Tensor | Rgb, shade: Tensor | None = None, edge: float = 0.014
) -> None:
    """A piece of furniture with a soft dark outline."""
    base = scene.canvas.colour(colour)
    scene.fill(distance - edge, mixed(base, (0.12, 0.08, 0.12), 0.62))
    scene.fill(distance, base, shade)
