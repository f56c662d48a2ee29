"""Places under the sky. Each function paints one kind of place onto a `Scene`."""

from __future__ import annotations

import torch

from storymem_storyworld.draw import sdf
from storymem_storyworld.draw.painter import mixed
from storymem_storyworld.draw.scenery import (
    Scene,
    cells,
    chance,
    clouds,
    ground,
    hills,
    pine_trees,
    round_trees,
    sky,
    tufts,
)  # fmt: skip

BLUE = ((0.36, 0.66, 0.93), (0.80, 0.93, 0.98))
_GRASS = ((0.30, 0.55, 0.28), (0.50, 0.70, 0.30), (0.74, 0.72, 0.36))


def forest(scene: Scene) -> None:
    """Rows of round trees; leaves from deep green to autumn orange."""
    leaf = scene.main(((0.13, 0.45, 0.33), (0.40, 0.62, 0.22), (0.90, 0.50, 0.18)))
    soil = scene.second(((0.28, 0.44, 0.25), (0.48, 0.52, 0.26), (0.56, 0.42, 0.28)))
    trunk = scene.canvas.colour((0.42, 0.28, 0.20))
    sky(scene, ((0.55, 0.80, 0.86), (0.90, 0.96, 0.86)), stars=False)
    haze = scene.canvas.colour((0.76, 0.88, 0.82))
    round_trees(scene, 0.2, 0.42, 0.95, mixed(leaf, haze, 0.55), mixed(trunk, haze, 0.5), 1.0)
    hills(scene, 0.3, 0.10, 0.03, 1.6, mixed(leaf, haze, 0.35))
    round_trees(scene, 0.45, 0.95, 1.3, leaf, trunk, 4.0)
    ground(scene, soil)
    tufts(scene, mixed(soil, leaf, 0.6))


def meadow(scene: Scene) -> None:
    """Open hills with flowers and clouds."""
    grass = scene.main(_GRASS)
    sky(scene, BLUE)
    clouds(scene)
    hills(scene, 0.15, 0.30, 0.11, 2.6, mixed(grass, (0.62, 0.80, 0.86), 0.5))
    hills(scene, 0.3, 0.14, 0.08, 1.9, mixed(grass, (0.62, 0.80, 0.86), 0.22), 2.0)
    ground(scene, grass)
    bloom = scene.second(((0.96, 0.42, 0.52), (0.98, 0.84, 0.30), (0.70, 0.50, 0.92)))
    tufts(scene, mixed(grass, 0.0, 0.18))
    for row, depth in enumerate((0.05, 0.15, 0.3)):
        x, _ = cells(scene.x(0.7 + 0.1 * row), 0.3 + 0.12 * row, 2.0 + row, 0.7)
        scene.fill(sdf.circle(x, scene.y + depth, 0.026 + 0.012 * row), bloom)
        scene.fill(sdf.circle(x, scene.y + depth, 0.01 + 0.005 * row), (1.0, 0.95, 0.75))


def beach(scene: Scene) -> None:
    """Sea, waves, sand and palms."""
    sand = scene.second(((0.96, 0.88, 0.66), (0.93, 0.78, 0.56), (0.90, 0.72, 0.62)))
    water = scene.main(((0.10, 0.62, 0.70), (0.16, 0.50, 0.80), (0.28, 0.40, 0.72)))
    sky(scene, BLUE)
    clouds(scene, 1.2)
    sea = scene.y - 0.42 + 0.0 * scene.screen_x
    scene.fill(sea, water, 0.85 + 0.5 * (scene.y / 0.42).clamp(0, 1) + 0.0 * scene.screen_x)
    for height, reach in ((0.33, 0.16), (0.22, 0.24), (0.10, 0.34)):
        x, _ = cells(scene.x(0.3), reach * 2.6, height * 9, 0.5)
        scene.fill(sdf.box(x, scene.y - height, 0.5 * reach, 0.011, 0.01), mixed(water, 1.0, 0.6))
    ground(scene, sand)
    foam = scene.y - 0.015 - 0.015 * torch.sin(scene.x(0.7) * 5.0)
    scene.fill(foam.abs() - 0.022, mixed(water, 1.0, 0.85))
    tufts(scene, mixed(sand, 0.0, 0.1))
    _palms(scene)


def _palms(scene: Scene) -> None:
    x, _ = cells(scene.x(0.6), 2.5, 6.0, 0.3)
    crook = 0.13 * torch.sin(1.7 * scene.y) + 0.0 * x
    scene.fill(sdf.segment(x - crook, scene.y, 0.0, -0.02, 0.0, 0.95, 0.05), scene.canvas.colour((0.60, 0.42, 0.27)))
    leaf = scene.canvas.colour((0.20, 0.58, 0.34))
    px, py = x - 0.13, scene.y - 1.0
    for reach, rise in ((0.36, 0.02), (-0.36, 0.02), (0.27, 0.2), (-0.27, 0.2), (0.0, 0.26)):
        scene.fill(
            sdf.segment(px, py + 0.35 * px * px, 0.0, 0.0, reach, rise, 0.048),
            leaf,
            0.95 + 0.3 * rise + 0 * px,
        )


def mountain(scene: Scene) -> None:
    """Snow-capped peaks over pines and snow."""
    rock = scene.main(((0.42, 0.50, 0.66), (0.52, 0.48, 0.60), (0.62, 0.50, 0.48)))
    snow = scene.second(((0.95, 0.97, 1.0), (0.84, 0.91, 0.98), (0.90, 0.88, 0.96)))
    sky(scene, ((0.45, 0.70, 0.92), (0.90, 0.95, 0.99)))
    for parallax, period, size, fade in ((0.08, 1.15, 1.0, 0.45), (0.18, 1.6, 0.8, 0.0)):
        x, cell = cells(scene.x(parallax), period, size * 9, 0.3)
        tall = size * (0.85 + 0.3 * chance(cell, 3.0))
        peak = sdf.spike(x, scene.y, 0.78 * tall, tall)
        shade = torch.where(x > 0.04 * torch.sin(scene.y * 14.0), 0.84, 1.04)
        scene.fill(peak, mixed(rock, (0.80, 0.88, 0.97), fade), shade)
        edge = scene.y - 0.68 * tall - 0.05 * torch.sin(x * 22.0)
        scene.fill(torch.maximum(peak, -edge), snow, shade)
    pine = scene.canvas.colour((0.16, 0.36, 0.34))
    pine_trees(scene, 0.4, 0.5, 0.5, pine, 5.0)
    ground(scene, snow)
    tufts(scene, mixed(snow, (0.55, 0.65, 0.85), 0.45))


def desert(scene: Scene) -> None:
    """Dunes and cacti."""
    sand = scene.main(((0.96, 0.80, 0.50), (0.94, 0.66, 0.38), (0.84, 0.52, 0.38)))
    floor = scene.second(((0.97, 0.84, 0.58), (0.92, 0.70, 0.44), (0.82, 0.58, 0.46)))
    sky(scene, ((0.48, 0.74, 0.92), (0.99, 0.92, 0.76)))
    hills(scene, 0.1, 0.38, 0.14, 2.8, mixed(sand, (0.98, 0.86, 0.74), 0.4))
    hills(scene, 0.25, 0.17, 0.10, 2.0, mixed(sand, 0.0, 0.06), 3.0)
    green = scene.canvas.colour((0.28, 0.55, 0.34))
    x, cell = cells(scene.x(0.5), 1.25, 2.0, 0.45)
    tall = 0.5 + 0.25 * chance(cell, 1.0)
    cactus = sdf.segment(x, scene.y, 0.0, -0.02, 0.0, tall, 0.075)
    for side, low in ((-1.0, 0.24), (1.0, 0.34)):
        arm = sdf.segment(x, scene.y, 0.0, low, side * 0.18, low, 0.05)
        arm = torch.minimum(arm, sdf.segment(x, scene.y, side * 0.18, low, side * 0.18, low + 0.16, 0.05))
        cactus = torch.minimum(cactus, arm)
    scene.fill(cactus, green, 1.0 - 1.6 * x.clamp(-0.1, 0.1) + 0 * scene.y)
    ground(scene, floor)
    tufts(scene, mixed(floor, 0.0, 0.14), 0.6)


def city(scene: Scene) -> None:
    """A skyline, house fronts, pavement and a street."""
    front = scene.main(((0.80, 0.46, 0.38), (0.86, 0.74, 0.54), (0.48, 0.58, 0.72)))
    street = scene.second(((0.44, 0.46, 0.52), (0.55, 0.53, 0.52), (0.36, 0.38, 0.48)))
    sky(scene, ((0.50, 0.72, 0.92), (0.90, 0.93, 0.95)))
    x, cell = cells(scene.x(0.15), 0.46, 2.0)
    tall = 0.55 + 0.5 * chance(cell, 2.0)
    scene.fill(sdf.box(x, scene.y, 0.2, 1.0).maximum(scene.y - tall), mixed(front, (0.62, 0.72, 0.86), 0.7))
    x, cell = cells(scene.x(0.4), 1.02, 7.0)
    tall = 0.78 + 0.34 * chance(cell, 4.0)
    side = 0.9 + 0.2 * chance(cell, 9.0)
    house = torch.maximum(sdf.box(x, scene.y, 0.475, 2.0), scene.y - tall)
    scene.fill(house - 0.02, mixed(front, 0.0, 0.5), side + 0 * scene.y)
    scene.fill(house, front, side + 0 * scene.y)
    wx = torch.remainder(x + 0.16, 0.32) - 0.16
    wy = torch.remainder(scene.y - 0.1, 0.36) - 0.22
    panes = torch.maximum(sdf.box(wx, wy, 0.075, 0.11), house + 0.09)
    scene.fill(panes, scene.by_time((0.72, 0.87, 0.95), (1.0, 0.78, 0.45), (1.0, 0.86, 0.50)), lit=True)
    ground(scene, street)
    scene.fill(sdf.box(0 * scene.screen_x, scene.y + 0.05, 9.0, 0.06), mixed(street, 1.0, 0.45))
    dash, _ = cells(scene.x(0.95), 0.7)
    scene.fill(sdf.box(dash, scene.y + 0.62, 0.2, 0.022), (0.95, 0.90, 0.70))


def village(scene: Scene) -> None:
    """Cottages with pointed roofs, a hedge and a path."""
    roof = scene.main(((0.78, 0.32, 0.26), (0.54, 0.36, 0.58), (0.24, 0.44, 0.60)))
    grass = scene.second(_GRASS)
    sky(scene, BLUE)
    clouds(scene, 1.25)
    hills(scene, 0.12, 0.36, 0.10, 2.2, mixed(grass, (0.66, 0.82, 0.86), 0.5))
    x, cell = cells(scene.x(0.4), 1.2, 3.0, 0.12)
    wall = scene.canvas.colour((0.97, 0.91, 0.80))
    scene.fill(sdf.box(x, scene.y - 0.2, 0.37, 0.3) - 0.014, (0.36, 0.26, 0.22))
    scene.fill(sdf.box(x, scene.y - 0.2, 0.37, 0.3), wall)
    tip = 0.36 + 0.12 * chance(cell, 2.0)
    scene.fill(sdf.spike(x, scene.y - 0.46, 0.5, tip) - 0.014, mixed(roof, 0.0, 0.5))
    scene.fill(sdf.spike(x, scene.y - 0.46, 0.5, tip), roof, 1.0 - 0.25 * x.clamp(-0.4, 0.4) + 0 * scene.y)
    pane = scene.by_time((0.60, 0.82, 0.94), (1.0, 0.80, 0.48), (1.0, 0.84, 0.46))
    scene.fill(sdf.box(x + 0.18, scene.y - 0.28, 0.075, 0.085), pane, lit=True)
    scene.fill(sdf.box(x - 0.14, scene.y - 0.14, 0.085, 0.2, 0.05), mixed(roof, (0.30, 0.18, 0.12), 0.45))
    ground(scene, grass)
    bush, _ = cells(scene.x(0.5), 0.55, 1.0, 0.5)
    scene.fill(sdf.ellipse(bush, scene.y - 0.02, 0.17, 0.1), mixed(grass, (0.10, 0.32, 0.20), 0.55))
    scene.fill(sdf.box(0 * scene.screen_x, scene.y + 0.3, 9.0, 0.12), (0.87, 0.77, 0.60))
